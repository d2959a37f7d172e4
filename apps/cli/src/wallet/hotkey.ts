/** The keys that a provider's or validator's program uses: those of a btcli wallet, or ones made in its state folder. */

import { randomBytes } from 'node:crypto';
import {
  defaultWalletsFolder,
  generateKey,
  hotkeyPath,
  readColdkeyAddress,
  readHotkey,
  walletPaths,
  writeColdkey,
  writeHotkey,
  type KeyPair,
  type Ss58,
  type WalletPaths,
} from '@celium/chain';
import { CeliumError } from '@celium/contract';
import type { HotkeyFlags } from '../commands/wallet-flags.ts';

/** Names in a folder of wallets that we made ourselves. */
const OWN_WALLET = 'celium';
const OWN_HOTKEY = 'default';

export interface KnownHotkey {
  key: KeyPair;
  ss58: Ss58;
  /** Its file. */
  path: string;
  paths: WalletPaths;
  /** Made just now. */
  isNew: boolean;
}

/**
 * The hotkey that the flags name; without `--wallet` and `--hotkey`, one in `fallbackFolder`, made when absent.
 *
 * @throws CeliumError `BAD_WALLET` when a named key does not exist or cannot be read: keys are never made in a person's own wallets
 */
export async function ensureHotkey(options: HotkeyFlags & { fallbackFolder: string }): Promise<KnownHotkey> {
  const isNamed = options.wallet !== undefined || options.hotkey !== undefined || options.walletPath !== undefined;
  const folder = isNamed ? (options.walletPath ?? defaultWalletsFolder()) : options.fallbackFolder;
  const paths = walletPaths(folder, options.wallet ?? (isNamed ? 'default' : OWN_WALLET));
  const name = options.hotkey ?? (isNamed ? 'default' : OWN_HOTKEY);
  const path = hotkeyPath(paths, name);
  const known = await readHotkey(paths, name).catch((fault: unknown) => {
    if (!isNamed && isMissing(fault)) return null;
    throw fault;
  });
  if (known !== null) return { key: known, ss58: known.ss58, path, paths, isNew: false };
  const key = generateKey({ randomBytes });
  await writeHotkey(paths, name, key, { randomBytes });
  return { key, ss58: key.ss58, path, paths, isNew: true };
}

/** The coldkey that earns: its address beside the hotkey. Made, unencrypted and only ours to read, in a wallet of our own. */
export async function ensureColdkeyAddress(
  hotkey: KnownHotkey,
  mayMake: boolean,
): Promise<{ ss58: Ss58; isNew: boolean }> {
  try {
    return { ss58: await readColdkeyAddress(hotkey.paths), isNew: false };
  } catch (fault) {
    if (!mayMake || !isMissing(fault)) throw fault;
  }
  const key = generateKey({ randomBytes });
  await writeColdkey(hotkey.paths, key, null, { randomBytes });
  return { ss58: key.ss58, isNew: true };
}

function isMissing(fault: unknown): boolean {
  return fault instanceof CeliumError && fault.code === 'BAD_WALLET' && fault.details?.['reason'] === 'missing';
}
