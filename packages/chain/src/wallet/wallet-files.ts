/** btcli wallet folders on disk: `<wallet>/coldkeypub.txt`, `<wallet>/coldkey`, `<wallet>/hotkeys/<name>`; files 0600, folders 0700. */
import { constants } from 'node:fs';
import { chmod, link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { toHex, utf8 } from '../keys/bytes.ts';
import type { KeyPair, RandomBytes } from '../keys/key-pair.ts';
import type { Ss58 } from '../keys/ss58.ts';
import { decryptKeyfile, encryptKeyfile, type WalletEncryptionOptions } from './encryption.ts';
import {
  LARGEST_KEYFILE_BYTES,
  keyfileEncryption,
  parseKeyfile,
  serializePublicKeyfile,
  serializeSecretKeyfile,
  walletError,
} from './keyfile.ts';

const NAME_FORM = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MOST_WALLETS = 1_000;

/** Where the parts of one wallet lie. */
export interface WalletPaths {
  readonly folder: string;
  readonly coldkeypub: string;
  readonly coldkey: string;
  readonly hotkeys: string;
}

/** How an encrypted coldkey is opened: the password is asked for only when it is needed. */
export interface OpenColdkeyOptions extends WalletEncryptionOptions {
  readonly password: () => Promise<string>;
}

/** How key files are written. `overwrite` replaces an existing file; without it, that is an error. */
export interface WriteKeyOptions extends WalletEncryptionOptions {
  readonly overwrite?: boolean;
  readonly randomBytes: RandomBytes;
}

/** One wallet as `celium wallet list` shows it. */
export interface WalletSummary {
  readonly name: string;
  readonly coldkey: Ss58 | null;
  readonly hotkeys: ReadonlyArray<{ readonly name: string; readonly ss58: Ss58 | null }>;
}

/** btcli's own folder of wallets, `~/.bittensor/wallets`. */
export function defaultWalletsFolder(home: string = homedir()): string {
  return join(home, '.bittensor', 'wallets');
}

/** The paths of a wallet in a folder of wallets. Throws `BAD_WALLET` for a name that is no plain file name. */
export function walletPaths(walletsFolder: string, name: string): WalletPaths {
  const folder = join(walletsFolder, checkName(name));
  return {
    folder,
    coldkeypub: join(folder, 'coldkeypub.txt'),
    coldkey: join(folder, 'coldkey'),
    hotkeys: join(folder, 'hotkeys'),
  };
}

/** The path of a hotkey's file. Throws `BAD_WALLET` for a name that is no plain file name. */
export function hotkeyPath(paths: WalletPaths, hotkey: string): string {
  return join(paths.hotkeys, checkName(hotkey));
}

/** Reads a hotkey. Throws `BAD_WALLET` (missing, malformed, mismatch, encrypted without a password). */
export async function readHotkey(paths: WalletPaths, hotkey: string, unlock?: OpenColdkeyOptions): Promise<KeyPair> {
  return readSecret(hotkeyPath(paths, hotkey), unlock);
}

/** The coldkey's address from `coldkeypub.txt`; needs no password. */
export async function readColdkeyAddress(paths: WalletPaths): Promise<Ss58> {
  const content = parseKeyfile(await readKeyfile(paths.coldkeypub));
  return content.kind === 'secret' ? content.key.ss58 : content.ss58;
}

/**
 * Reads the coldkey, decrypting it when needed (seconds of work), and compares it with `coldkeypub.txt` where that is.
 * Throws `BAD_WALLET`; nothing on disk changes.
 */
export async function readColdkey(paths: WalletPaths, unlock: OpenColdkeyOptions): Promise<KeyPair> {
  const key = await readSecret(paths.coldkey, unlock);
  const address = await readColdkeyAddress(paths).catch((error: unknown) => {
    if (isMissing(error)) return key.ss58;
    throw error;
  });
  if (address !== key.ss58) {
    throw walletError(
      'mismatch',
      `${paths.coldkeypub} says ${address}, but the coldkey beside it is ${key.ss58}: one of the two files is from another wallet`,
    );
  }
  return key;
}

/** Writes a hotkey, unencrypted as btcli does. */
export async function writeHotkey(
  paths: WalletPaths,
  hotkey: string,
  key: KeyPair,
  options: WriteKeyOptions,
): Promise<string> {
  const path = hotkeyPath(paths, hotkey);
  await makePrivateFolders(paths);
  await writeKeyfile(path, utf8(serializeSecretKeyfile(key)), options);
  return path;
}

/** Writes the coldkey, encrypted under `password` unless that is null, and `coldkeypub.txt`. */
export async function writeColdkey(
  paths: WalletPaths,
  key: KeyPair,
  password: string | null,
  options: WriteKeyOptions,
): Promise<void> {
  if (options.overwrite !== true && (await exists(paths.coldkey))) throw alreadyThere(paths.coldkey);
  const plain = utf8(serializeSecretKeyfile(key));
  const bytes = password === null ? plain : await encryptKeyfile(plain, password, options);
  await makePrivateFolders(paths);
  await writeKeyfile(paths.coldkey, bytes, options);
  await writeKeyfile(paths.coldkeypub, utf8(serializePublicKeyfile(key.ss58)), { ...options, overwrite: true });
}

/** The wallets of a folder with their addresses; a file that cannot be read shows as null. At most 1,000 of each. */
export async function listWallets(walletsFolder: string): Promise<WalletSummary[]> {
  const wallets: WalletSummary[] = [];
  for (const name of await plainNames(walletsFolder)) {
    const paths = walletPaths(walletsFolder, name);
    const hotkeys: Array<{ name: string; ss58: Ss58 | null }> = [];
    for (const hotkey of await plainNames(paths.hotkeys)) {
      const ss58 = await readAddress(hotkeyPath(paths, hotkey));
      if (ss58 !== null || !hotkey.includes('.')) hotkeys.push({ name: hotkey, ss58 });
    }
    wallets.push({ name, coldkey: await readAddress(paths.coldkeypub), hotkeys });
  }
  return wallets;
}

async function readAddress(path: string): Promise<Ss58 | null> {
  try {
    const content = parseKeyfile(await readKeyfile(path));
    return content.kind === 'secret' ? content.key.ss58 : content.ss58;
  } catch {
    return null;
  }
}

async function readSecret(path: string, unlock: OpenColdkeyOptions | undefined): Promise<KeyPair> {
  let bytes = await readKeyfile(path);
  if (keyfileEncryption(bytes) !== 'none') {
    if (unlock === undefined) throw walletError('encrypted', `${path} is encrypted, and no password was given`);
    bytes = await decryptKeyfile(bytes, await unlock.password(), unlock);
  }
  const content = parseKeyfile(bytes);
  if (content.kind === 'public') throw walletError('malformed', `${path} holds an address only, no key that signs`);
  return content.key;
}

async function readKeyfile(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > LARGEST_KEYFILE_BYTES) throw walletError('malformed', `${path} is too large for a key file`);
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (isMissing(cause))
      throw walletError('missing', `there is no key file ${path}: check the wallet's and the key's name`, cause);
    if ((cause as NodeJS.ErrnoException).code === 'EACCES')
      throw walletError('missing', `${path} may not be read by this user`, cause);
    throw cause;
  }
}

async function makePrivateFolders(paths: WalletPaths): Promise<void> {
  await mkdir(paths.hotkeys, { recursive: true, mode: 0o700 });
  await chmod(paths.folder, 0o700);
  await chmod(paths.hotkeys, 0o700);
}

/** Written aside, synced, then put in place at once: a crash leaves the old file or the new one, never half of one. */
async function writeKeyfile(path: string, bytes: Uint8Array, options: WriteKeyOptions): Promise<void> {
  const aside = `${path}.${toHex(new Uint8Array(options.randomBytes(6)))}.new`;
  const file = await open(aside, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    if (options.overwrite === true) await rename(aside, path);
    else await link(aside, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyThere(path);
    throw cause;
  } finally {
    await unlink(aside).catch(() => undefined);
  }
}

async function plainNames(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names
      .filter((name) => NAME_FORM.test(name))
      .sort()
      .slice(0, MOST_WALLETS);
  } catch {
    return [];
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function checkName(name: string): string {
  if (NAME_FORM.test(name)) return name;
  throw walletError(
    'malformed',
    `"${name.slice(0, 64)}" is no name for a wallet or key: use letters, digits, dot, dash and underscore`,
  );
}

function alreadyThere(path: string): Error {
  return walletError('exists', `${path} exists: choose another name, or say that it may be overwritten`);
}

function isMissing(error: unknown): boolean {
  const { code, details } = error as { code?: unknown; details?: { reason?: unknown } };
  return code === 'ENOENT' || details?.reason === 'missing';
}
