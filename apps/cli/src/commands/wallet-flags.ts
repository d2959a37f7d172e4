/** Flags that name a hotkey the way btcli does, and the question for a coldkey's password. */

import { CeliumError } from '@celium/contract';
import type { CliContext } from '../context.ts';

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

/** The password of an encrypted coldkey: `CELIUM_WALLET_PASSWORD`, else a question. Throws `BAD_WALLET` where nobody can be asked. */
export async function coldkeyPassword(context: CliContext): Promise<string> {
  const given = context.process.env['CELIUM_WALLET_PASSWORD'];
  if (given !== undefined && given !== '') return given;
  if (!context.isInteractive) {
    throw new CeliumError(
      'BAD_WALLET',
      'The coldkey is encrypted, and nobody can be asked: set CELIUM_WALLET_PASSWORD.',
    );
  }
  return await context.ask.password('Password of the coldkey');
}
