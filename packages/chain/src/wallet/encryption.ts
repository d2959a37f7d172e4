/** Encryption of btcli key files: `$NACL` written and read, the two older schemes read. Key derivation runs in a worker. */
import { createDecipheriv, createHmac, pbkdf2 as pbkdf2Callback, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { concat, fromHex, utf8 } from '../keys/bytes.ts';
import type { RandomBytes } from '../keys/key-pair.ts';
import { keyfileEncryption, walletError } from './keyfile.ts';
import { deriveArgon2iKey, loadSodium, SENSITIVE, type KdfLimits, type KdfProgress } from './kdf.ts';

const pbkdf2 = promisify(pbkdf2Callback);
const NACL_MARK = utf8('$NACL');
/** The one salt that Bittensor's tools use for every wallet (btwallet, `NACL_SALT`). */
const NACL_SALT = Uint8Array.of(
  0x13,
  0x71,
  0x83,
  0xdf,
  0xf1,
  0x5a,
  0x09,
  0xbc,
  0x9c,
  0x90,
  0xb5,
  0x51,
  0x87,
  0x39,
  0xe9,
  0xb1,
);
const FERNET_SALT = 'Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins';
const FERNET_ROUNDS = 10_000_000;
const ANSIBLE_ROUNDS = 10_000;
const NONCE_LENGTH = 24;

/**
 * Options: `limits` are Argon2 costs (tests make them small; files for btcli need the default), `onProgress` is called
 * about five times a second while the key is derived (some seconds), `signal` ends the waiting, `fernetRounds` (ten
 * million) is the cost of the oldest scheme.
 */
export interface WalletEncryptionOptions {
  readonly limits?: KdfLimits;
  readonly onProgress?: (progress: KdfProgress) => void;
  readonly signal?: AbortSignal;
  readonly fernetRounds?: number;
}

/** A key file's bytes, encrypted as btcli does: `$NACL`, 24-byte nonce, XSalsa20-Poly1305 under an Argon2i key. */
export async function encryptKeyfile(
  plain: Uint8Array,
  password: string,
  options: WalletEncryptionOptions & { readonly randomBytes: RandomBytes },
): Promise<Uint8Array> {
  if (password === '') throw walletError('wrong-password', 'an encrypted key file needs a password that is not empty');
  const sodium = await loadSodium();
  const key = await deriveArgon2iKey(password, NACL_SALT, options.limits ?? SENSITIVE, options);
  const nonce = new Uint8Array(options.randomBytes(NONCE_LENGTH));
  return concat(NACL_MARK, nonce, sodium.crypto_secretbox_easy(plain, nonce, key));
}

/**
 * The plain bytes of an encrypted key file (`$NACL`, `$ANSIBLE_VAULT` or Fernet), or the bytes themselves when it is
 * not encrypted. Throws `BAD_WALLET` with reason `wrong-password` or `malformed`.
 */
export async function decryptKeyfile(
  bytes: Uint8Array,
  password: string,
  options: WalletEncryptionOptions = {},
): Promise<Uint8Array> {
  switch (keyfileEncryption(bytes)) {
    case 'none':
      return bytes;
    case 'nacl':
      return openNacl(bytes, password, options);
    case 'ansible':
      return openAnsibleVault(Buffer.from(bytes).toString('latin1'), password);
    case 'fernet':
      return openFernet(Buffer.from(bytes).toString('latin1').trim(), password, options.fernetRounds ?? FERNET_ROUNDS);
  }
}

async function openNacl(bytes: Uint8Array, password: string, options: WalletEncryptionOptions): Promise<Uint8Array> {
  const sodium = await loadSodium();
  const box = bytes.subarray(NACL_MARK.length + NONCE_LENGTH);
  if (box.length < sodium.crypto_secretbox_MACBYTES) throw cutOff();
  const nonce = bytes.subarray(NACL_MARK.length, NACL_MARK.length + NONCE_LENGTH);
  const key = await deriveArgon2iKey(password, NACL_SALT, options.limits ?? SENSITIVE, options);
  try {
    return sodium.crypto_secretbox_open_easy(box, nonce, key);
  } catch {
    throw wrongPassword();
  }
}

/** Ansible Vault 1.1/1.2 AES256: hex of (hex salt, hex HMAC, hex ciphertext); AES-256-CTR, PKCS#7 padding. */
async function openAnsibleVault(text: string, password: string): Promise<Uint8Array> {
  const [header = '', ...lines] = text.split(/\r?\n/);
  if (!/^\$ANSIBLE_VAULT;1\.[12];AES256/.test(header))
    throw walletError('unsupported', `the vault is of a kind not known here: ${header.slice(0, 40)}`);
  const inner = Buffer.from(fromHex(lines.join('').trim()) ?? [])
    .toString('latin1')
    .split('\n');
  const [salt, mac, sealed] = inner.map((part) => fromHex(part));
  if (!salt || !mac || mac.length !== 32 || !sealed || sealed.length === 0) throw cutOff();
  const material = await pbkdf2(password, salt, ANSIBLE_ROUNDS, 80, 'sha256');
  const expected = createHmac('sha256', material.subarray(32, 64)).update(sealed).digest();
  if (!timingSafeEqual(expected, mac)) throw wrongPassword();
  const cipher = createDecipheriv('aes-256-ctr', material.subarray(0, 32), material.subarray(64, 80));
  const padded = Buffer.concat([cipher.update(sealed), cipher.final()]);
  const padding = padded[padded.length - 1] ?? 0;
  if (padding < 1 || padding > 16 || padding > padded.length) throw cutOff();
  return new Uint8Array(padded.subarray(0, padded.length - padding));
}

/** Fernet under PBKDF2-SHA256 of ten million rounds, the oldest scheme: AES-128-CBC with HMAC-SHA256. */
async function openFernet(token: string, password: string, rounds: number): Promise<Uint8Array> {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length < 1 + 8 + 16 + 16 + 32 || bytes[0] !== 0x80) throw cutOff();
  const key = await pbkdf2(password, FERNET_SALT, rounds, 32, 'sha256');
  const signed = bytes.subarray(0, bytes.length - 32);
  const expected = createHmac('sha256', key.subarray(0, 16)).update(signed).digest();
  if (!timingSafeEqual(expected, bytes.subarray(bytes.length - 32))) throw wrongPassword();
  const cipher = createDecipheriv('aes-128-cbc', key.subarray(16, 32), signed.subarray(9, 25));
  try {
    return new Uint8Array(Buffer.concat([cipher.update(signed.subarray(25)), cipher.final()]));
  } catch {
    throw cutOff();
  }
}

function wrongPassword(): Error {
  return walletError('wrong-password', 'the password does not open this key file: type it again (nothing was changed)');
}

function cutOff(): Error {
  return walletError(
    'malformed',
    'the encrypted key file is cut off or damaged: restore it from a backup or its phrase',
  );
}
