/** The content of btcli key files: JSON of today, bare seeds and phrases of old. The address is always derived and compared. */
import { CeliumError } from '@celium/contract';
import { fromHex, toHex } from '../keys/bytes.ts';
import {
  canonicalPrivateKey,
  keyFromMnemonic,
  keyFromPrivateKey,
  keyFromSeed,
  keyFromUri,
  type KeyPair,
} from '../keys/key-pair.ts';
import { decodeSs58, encodeSs58, isSs58, type Ss58 } from '../keys/ss58.ts';

/** Key files are small; anything above this many bytes is none. */
export const LARGEST_KEYFILE_BYTES = 65_536;

/** What a plain key file holds: a key that signs, or an address alone (`coldkeypub.txt`). */
export type KeyfileContent =
  | { readonly kind: 'secret'; readonly key: KeyPair }
  | { readonly kind: 'public'; readonly ss58: Ss58; readonly publicKey: Uint8Array };

/** How a key file is encrypted, told from its first bytes; `none` for a plain one. */
export type KeyfileEncryption = 'none' | 'nacl' | 'ansible' | 'fernet';

/** A reason for `BAD_WALLET`, in the error's `details.reason`. */
export type WalletFault =
  | 'malformed'
  | 'mismatch'
  | 'encrypted'
  | 'wrong-password'
  | 'missing'
  | 'exists'
  | 'unsupported';

/** A `BAD_WALLET` error with its reason in `details`. */
export function walletError(reason: WalletFault, message: string, cause?: unknown): CeliumError {
  return new CeliumError('BAD_WALLET', message, { details: { reason }, cause });
}

/** Tells how a key file is encrypted. */
export function keyfileEncryption(bytes: Uint8Array): KeyfileEncryption {
  const head = Buffer.from(bytes.subarray(0, 16)).toString('latin1');
  if (head.startsWith('$NACL')) return 'nacl';
  if (head.startsWith('$ANSIBLE_VAULT')) return 'ansible';
  return head.startsWith('gAAAAA') ? 'fernet' : 'none';
}

/**
 * The JSON that btcli writes for a key, with its secrets. Without the newer `cryptoType` field, which older
 * Bittensor tools cannot parse; tools of today take sr25519 when it is absent.
 */
export function serializeSecretKeyfile(key: KeyPair): string {
  const { secretKey, seed, mnemonic } = key.revealSecrets();
  return JSON.stringify({
    accountId: `0x${toHex(key.publicKey)}`,
    publicKey: `0x${toHex(key.publicKey)}`,
    privateKey: `0x${toHex(canonicalPrivateKey(secretKey))}`,
    ...(mnemonic === undefined ? {} : { secretPhrase: mnemonic }),
    ...(seed === undefined ? {} : { secretSeed: `0x${toHex(seed)}` }),
    ss58Address: key.ss58,
  });
}

/** The JSON that btcli writes for an address alone (`coldkeypub.txt`). */
export function serializePublicKeyfile(address: Ss58): string {
  const publicKey = `0x${toHex(decodeSs58(address))}`;
  return JSON.stringify({ accountId: publicKey, publicKey, ss58Address: address });
}

/**
 * Reads a plain key file of any known form. Throws `BAD_WALLET` when it is encrypted (decrypt it first), malformed, of
 * another key type, or when the key inside does not derive to the address inside.
 */
export function parseKeyfile(bytes: Uint8Array): KeyfileContent {
  if (bytes.length > LARGEST_KEYFILE_BYTES) throw walletError('malformed', 'the file is too large for a key file');
  if (keyfileEncryption(bytes) !== 'none') throw walletError('encrypted', 'the key file is encrypted');
  const text = Buffer.from(bytes).toString('utf8').trim();
  if (text.startsWith('{')) return parseJsonKeyfile(text);
  const key = parseBareSecret(text);
  if (key !== null) return { kind: 'secret', key };
  if (isSs58(text)) return { kind: 'public', ss58: text, publicKey: decodeSs58(text) };
  throw walletError('malformed', 'this is no key file: neither JSON, nor a hex seed, nor a recovery phrase');
}

/** Very old files: a bare hex seed, a recovery phrase, or a secret URI such as `//Alice`. */
function parseBareSecret(text: string): KeyPair | null {
  const seed = fromHex(text, 32);
  if (seed !== null) return keyFromSeed(seed);
  if (/^[a-z]+(\s+[a-z]+){11,23}$/i.test(text)) return attempt(() => keyFromMnemonic(text));
  if (/^\/\/[^\s]{1,64}$/.test(text)) return attempt(() => keyFromUri(text));
  return null;
}

function parseJsonKeyfile(text: string): KeyfileContent {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw walletError('malformed', 'the key file is cut off or damaged: its JSON does not parse', cause);
  }
  checkKeyType(fields);
  const publicKey = claimedPublicKey(fields);
  const key = secretOf(fields, publicKey);
  if (key === null) {
    if (publicKey === null) throw walletError('malformed', 'the key file holds neither a key nor an address');
    return { kind: 'public', ss58: encodeSs58(publicKey), publicKey };
  }
  if (publicKey !== null && toHex(publicKey) !== toHex(key.publicKey)) {
    throw mismatch(encodeSs58(publicKey), key.ss58);
  }
  return { kind: 'secret', key };
}

function checkKeyType(fields: Record<string, unknown>): void {
  const { cryptoType, accountType, signingScheme } = fields;
  const named = [accountType, signingScheme].find((value) => typeof value === 'string' && !/sr25519/i.test(value));
  if ((typeof cryptoType === 'number' && cryptoType !== 1) || named !== undefined) {
    throw walletError(
      'unsupported',
      `the key is not sr25519 (${String(named ?? cryptoType)}), the only type used here`,
    );
  }
}

/** The public key that the file claims; all fields that claim one must agree. */
function claimedPublicKey(fields: Record<string, unknown>): Uint8Array | null {
  const { ss58Address, publicKey, accountId } = fields;
  const claims: Uint8Array[] = [];
  if (typeof ss58Address === 'string') {
    if (!isSs58(ss58Address)) throw walletError('malformed', 'ss58Address in the key file is no Bittensor address');
    claims.push(decodeSs58(ss58Address));
  }
  for (const value of [publicKey, accountId]) {
    if (value === undefined || value === null) continue;
    const bytes = typeof value === 'string' ? fromHex(value, 32) : null;
    if (bytes === null) throw walletError('malformed', 'publicKey in the key file is not 32 bytes of hex');
    claims.push(bytes);
  }
  const first = claims[0] ?? null;
  const other = claims.find((claim) => first !== null && toHex(claim) !== toHex(first));
  if (first !== null && other !== undefined) throw mismatch(encodeSs58(first), encodeSs58(other));
  return first;
}

/** Phrase before seed before private key, as btcli reads them. */
function secretOf(fields: Record<string, unknown>, publicKey: Uint8Array | null): KeyPair | null {
  const { secretPhrase, secretSeed, privateKey } = fields;
  if (typeof secretPhrase === 'string' && secretPhrase.trim() !== '') {
    const key = attempt(() => keyFromMnemonic(secretPhrase));
    if (key === null) throw walletError('malformed', 'secretPhrase in the key file is no recovery phrase');
    return key;
  }
  if (typeof secretSeed === 'string' && secretSeed !== '') {
    const seed = fromHex(secretSeed, 32);
    if (seed === null) throw walletError('malformed', 'secretSeed in the key file is not 32 bytes of hex');
    return keyFromSeed(seed);
  }
  if (typeof privateKey !== 'string' || privateKey === '') return null;
  const bytes = fromHex(privateKey, 64);
  if (bytes === null) throw walletError('malformed', 'privateKey in the key file is not 64 bytes of hex');
  if (publicKey === null) throw walletError('malformed', 'the key file has a privateKey but no address to check it by');
  const key = attempt(() => keyFromPrivateKey(bytes, publicKey));
  if (key === null)
    throw walletError('mismatch', `privateKey in the key file does not belong to ${encodeSs58(publicKey)}`);
  return key;
}

function mismatch(claimed: Ss58, derived: Ss58): CeliumError {
  return walletError(
    'mismatch',
    `the key file says ${claimed} but its key is ${derived}: it was damaged or tampered with, restore it from the phrase`,
  );
}

function attempt(make: () => KeyPair): KeyPair | null {
  try {
    return make();
  } catch {
    return null;
  }
}
