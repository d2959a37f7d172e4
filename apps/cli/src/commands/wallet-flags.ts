/** Flags that name a hotkey the way btcli does. */

export interface HotkeyFlags {
  wallet?: string | undefined;
  hotkey?: string | undefined;
  walletPath?: string | undefined;
}

export const hotkeyFlags = {
  wallet: { kind: 'parsed', parse: String, placeholder: 'name', brief: 'Wallet as btcli names it', optional: true },
  hotkey: { kind: 'parsed', parse: String, placeholder: 'name', brief: 'Hotkey in that wallet', optional: true },
  walletPath: {
    kind: 'parsed',
    parse: String,
    placeholder: 'dir',
    brief: 'Folder of wallets; ~/.bittensor/wallets by default',
    optional: true,
  },
} as const;
