/** Substrate's secret URIs and derivation: mini-secret from BIP39 entropy, `//hard` and `/soft` junctions. */
import { pbkdf2Sync } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { HDKD } from '@scure/sr25519';
import { CeliumError } from '@celium/contract';
import { compactLength, concat, utf8 } from './bytes.ts';

/** The publicly known phrase behind `//Alice` and the other development accounts. Never holds real value. */
export const DEV_PHRASE = 'bottom drive obey lake curtain smoke basket hold race lonely fit walk';

const MINI_SECRET_ROUNDS = 2048;

/** One step of a derivation path: `//name` is hard, `/name` is soft. */
export interface Junction {
  readonly hard: boolean;
  readonly name: string;
}

/** A secret URI taken apart: `<phrase or 0x seed>//hard/soft///password`. */
export interface SecretUri {
  readonly base: string;
  readonly junctions: readonly Junction[];
  readonly password: string;
}

/**
 * Substrate's 32-byte mini-secret: PBKDF2-HMAC-SHA512 over the BIP39 *entropy* (2,048 rounds, salt
 * `mnemonic<password>`), first half. It is not the BIP39 seed, which is stretched from the words.
 * Throws `BAD_REQUEST` when a word is unknown or the checksum is wrong.
 */
export function miniSecretFromMnemonic(phrase: string, password = ''): Uint8Array {
  const words = phrase.trim().toLowerCase().split(/\s+/).join(' ');
  let entropy: Uint8Array;
  try {
    entropy = mnemonicToEntropy(words, wordlist);
  } catch {
    throw new CeliumError(
      'BAD_REQUEST',
      'the recovery phrase has an unknown word, a wrong number of words or a wrong checksum: type its 12 to 24 English words again, in order',
    );
  }
  const salt = `mnemonic${password.normalize('NFKD')}`;
  return new Uint8Array(pbkdf2Sync(entropy, salt, MINI_SECRET_ROUNDS, 64, 'sha512').subarray(0, 32));
}

/** The BIP39 phrase of 16 (12 words) to 32 (24 words) bytes of entropy. */
export function mnemonicFromEntropy(entropy: Uint8Array): string {
  return entropyToMnemonic(entropy, wordlist);
}

/**
 * Takes a secret URI apart. An empty base, as in `//Alice`, stands for the development phrase.
 * Throws `BAD_REQUEST` on a path it cannot read.
 */
export function parseSecretUri(uri: string): SecretUri {
  const match = /^([^/]*)((?:\/\/?[^/]+)*)(?:\/\/\/(.*))?$/s.exec(uri.trim());
  if (!match) {
    throw new CeliumError(
      'BAD_REQUEST',
      'this is no secret URI: write it as <phrase or 0x seed>//hard/soft///password',
    );
  }
  const junctions = [...(match[2] ?? '').matchAll(/(\/\/?)([^/]+)/g)].map((part) => ({
    hard: part[1] === '//',
    name: part[2] ?? '',
  }));
  return { base: (match[1] ?? '').trim() || DEV_PHRASE, junctions, password: match[3] ?? '' };
}

/**
 * The 32-byte chain code of a junction name: a decimal u64 is SCALE-encoded as such, anything else
 * as a SCALE string; longer encodings are hashed with BLAKE2b-256 (sp-core's `DeriveJunction`).
 */
export function chainCodeOf(name: string): Uint8Array {
  const code = new Uint8Array(32);
  if (/^\d+$/.test(name) && BigInt(name) < 1n << 64n) {
    new DataView(code.buffer).setBigUint64(0, BigInt(name), true);
    return code;
  }
  const text = utf8(name);
  const encoded = concat(compactLength(text.length), text);
  if (encoded.length > 32) return blake2b(encoded, { dkLen: 32 });
  code.set(encoded);
  return code;
}

/** Child secret (64 bytes) of a hard junction: needs the parent's secret and reveals nothing of it. */
export function hardSecret(secretKey: Uint8Array, name: string): Uint8Array {
  return HDKD.secretHard(secretKey, chainCodeOf(name));
}

/** Child secret (64 bytes) of a soft junction; `random` (32 bytes) only feeds the child's nonce seed. */
export function softSecret(secretKey: Uint8Array, name: string, random: Uint8Array): Uint8Array {
  return HDKD.secretSoft(secretKey, chainCodeOf(name), random);
}

/**
 * Child public key of a soft junction from the parent's public key alone: a server can watch one
 * deposit address per user without any secret.
 *
 * @example encodeSs58(softPublicKey(treasury.publicKey, '42'))
 */
export function softPublicKey(publicKey: Uint8Array, name: string): Uint8Array {
  return HDKD.publicSoft(publicKey, chainCodeOf(name));
}
