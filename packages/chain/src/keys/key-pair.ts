/** sr25519 keys in memory: sign, verify, derive. Secrets sit in private fields, so no log or JSON shows them by accident. */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { getPublicKey, secretFromSeed, sign, verify } from '@scure/sr25519';
import { CeliumError } from '@celium/contract';
import { concat, fromHex, sameBytes, utf8 } from './bytes.ts';
import { hardSecret, miniSecretFromMnemonic, mnemonicFromEntropy, parseSecretUri, softSecret } from './derivation.ts';
import { encodeSs58, type Ss58 } from './ss58.ts';

/** Something that signs with an sr25519 key (schnorrkel context `substrate`, 64-byte signatures); may live elsewhere. */
export interface KeySigner {
  readonly ss58: Ss58;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A 64-byte signature over the raw bytes. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** A source of randomness, given from outside: `length` fresh bytes. */
export type RandomBytes = (length: number) => Uint8Array;

/** What a wallet file keeps of a key. Lengths in bytes: `secretKey` 64, `seed` 32. */
export interface KeySecrets {
  /** Scalar (Ed25519-shifted form) and nonce seed. */
  readonly secretKey: Uint8Array;
  /** Mini-secret, absent for derived keys and keys read from `privateKey`. */
  readonly seed?: Uint8Array;
  readonly mnemonic?: string;
}

/** Options of key makers: `randomBytes` replaces the system's randomness (signature nonces) in simulations. */
export interface KeyOptions {
  readonly randomBytes?: RandomBytes;
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** An sr25519 key pair in this process. Make one with `keyFromSeed`, `keyFromMnemonic`, `keyFromUri` or `generateKey`. */
export class KeyPair implements KeySigner {
  readonly ss58: Ss58;
  readonly publicKey: Uint8Array;
  readonly #secrets: KeySecrets;
  readonly #randomBytes: RandomBytes;

  constructor(secrets: KeySecrets, options: KeyOptions = {}) {
    this.#secrets = secrets;
    this.#randomBytes = options.randomBytes ?? systemRandomBytes;
    this.publicKey = getPublicKey(secrets.secretKey);
    this.ss58 = encodeSs58(this.publicKey);
  }

  async sign(bytes: Uint8Array): Promise<Uint8Array> {
    return sign(this.#secrets.secretKey, bytes, new Uint8Array(this.#randomBytes(32)));
  }

  /** The secret parts, for wallet files only. */
  revealSecrets(): KeySecrets {
    return this.#secrets;
  }

  /** The key at `//name` below this one. */
  deriveHard(name: string): KeyPair {
    return new KeyPair({ secretKey: hardSecret(this.#secrets.secretKey, name) }, { randomBytes: this.#randomBytes });
  }

  /** The key at `/name` below this one; its public key equals `softPublicKey(this.publicKey, name)`. */
  deriveSoft(name: string): KeyPair {
    const random = new Uint8Array(this.#randomBytes(32));
    return new KeyPair(
      { secretKey: softSecret(this.#secrets.secretKey, name, random) },
      { randomBytes: this.#randomBytes },
    );
  }
}

/** The key of a 32-byte mini-secret. Throws `BAD_REQUEST` on another length. */
export function keyFromSeed(seed: Uint8Array, options: KeyOptions = {}): KeyPair {
  if (seed.length !== 32) {
    throw new CeliumError('BAD_REQUEST', `a seed has 32 bytes, this one ${seed.length}: pass 64 hex digits`);
  }
  return new KeyPair({ secretKey: secretFromSeed(seed), seed: Uint8Array.from(seed) }, options);
}

/** The key of a BIP39 phrase, as Substrate and btcli derive it. Throws `BAD_REQUEST`. */
export function keyFromMnemonic(phrase: string, password = '', options: KeyOptions = {}): KeyPair {
  const seed = miniSecretFromMnemonic(phrase, password);
  return new KeyPair({ secretKey: secretFromSeed(seed), seed, mnemonic: phrase.trim() }, options);
}

/**
 * The key of a Substrate secret URI: `//Alice` (development only), `<phrase>//hard/soft///password` or `0x<seed>//hard`.
 * Throws `BAD_REQUEST`.
 */
export function keyFromUri(uri: string, options: KeyOptions = {}): KeyPair {
  const { base, junctions, password } = parseSecretUri(uri);
  const seed = base.startsWith('0x') ? fromHex(base, 32) : undefined;
  if (seed === null)
    throw new CeliumError('BAD_REQUEST', 'the seed is not 32 bytes of hex: write 0x and 64 hex digits');
  const root = seed ? keyFromSeed(seed, options) : keyFromMnemonic(base, password, options);
  return junctions.reduce((key, step) => (step.hard ? key.deriveHard(step.name) : key.deriveSoft(step.name)), root);
}

/** A new key with a 12- or 24-word phrase, from the given randomness (128 or 256 bits of entropy). */
export function generateKey(options: { randomBytes: RandomBytes; words?: 12 | 24 }): KeyPair {
  const entropy = new Uint8Array(options.randomBytes(options.words === 24 ? 32 : 16));
  return keyFromMnemonic(mnemonicFromEntropy(entropy), '', { randomBytes: options.randomBytes });
}

/**
 * The key of a 64-byte private key as found in wallet files. Bittensor's tools write schnorrkel's canonical scalar,
 * polkadot tools the Ed25519-shifted one; the expected public key tells which. Throws `BAD_REQUEST` when neither fits.
 */
export function keyFromPrivateKey(privateKey: Uint8Array, publicKey: Uint8Array, options: KeyOptions = {}): KeyPair {
  if (privateKey.length === 64) {
    for (const secretKey of [shiftScalar(privateKey), privateKey]) {
      const key = secretKey && tryKey(Uint8Array.from(secretKey), options);
      if (key && sameBytes(key.publicKey, publicKey)) return key;
    }
  }
  throw new CeliumError(
    'BAD_REQUEST',
    `the private key does not belong to ${encodeSs58(publicKey)}: restore the key from its recovery phrase`,
  );
}

/** Schnorrkel's canonical private key bytes (scalar, then nonce seed), the form of btcli's `privateKey` field. */
export function canonicalPrivateKey(secretKey: Uint8Array): Uint8Array {
  const scalar = readScalar(secretKey) >> 3n;
  return concat(writeScalar(scalar), secretKey.subarray(32, 64));
}

/**
 * Whether `signature` (64 bytes) is `publicKey`'s (32 bytes) over `message`. False, never an exception, on garbage.
 */
export function verifySignature(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    return verify(message, signature, publicKey);
  } catch {
    return false;
  }
}

/**
 * Like `verifySignature`, but also accepts what browser wallets sign: the message between `<Bytes>` and `</Bytes>`.
 * For wallet sign-in only: documents and requests must never be accepted in this form.
 */
export function verifyWalletSignIn(message: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
  const wrapped = concat(utf8('<Bytes>'), message, utf8('</Bytes>'));
  return verifySignature(message, signature, publicKey) || verifySignature(wrapped, signature, publicKey);
}

function tryKey(secretKey: Uint8Array, options: KeyOptions): KeyPair | null {
  try {
    return new KeyPair({ secretKey }, options);
  } catch {
    return null;
  }
}

function shiftScalar(canonical: Uint8Array): Uint8Array | null {
  const scalar = readScalar(canonical);
  return scalar < ORDER ? concat(writeScalar(scalar << 3n), canonical.subarray(32, 64)) : null;
}

function readScalar(bytes: Uint8Array): bigint {
  const reversed = Buffer.from(bytes.subarray(0, 32)).reverse();
  return BigInt(`0x${reversed.toString('hex')}`);
}

function writeScalar(scalar: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse());
}
