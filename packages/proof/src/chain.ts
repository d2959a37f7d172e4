/** The hash side of the chain: the seed that binds a challenge to its parties, the start value, and q <- SHA-256(q || root). */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, ownHex, u16Bytes, utf8 } from './bytes.ts';
import type { ProofBinding } from './contracts.ts';

const SEED_DOMAIN = 'celium/cgp1/seed';
const START_DOMAIN = 'celium/cgp1/start';

/**
 * The 32-byte seed: SHA-256 over the domain string, the nonce, and each field of the binding with its length (u16, little-endian)
 * before it, in the order of the type. Any other party, key, grant, block or barrier gives another seed.
 */
export function deriveSeed(nonce: Uint8Array, binding: ProofBinding): Uint8Array {
  const fields = [
    nonce,
    ownHex(binding.blockHash),
    ownHex(binding.hotkey),
    ownHex(binding.machineKey),
    ownHex(binding.grantHash),
    ownHex(binding.hostKeyHash),
    utf8(binding.unit),
    utf8(binding.barrierId),
  ];
  return sha256(concatBytes(utf8(SEED_DOMAIN), ...fields.flatMap((field) => [u16Bytes(field.length), field])));
}

/** The first chain value. The start nonce is sent only after the memory is filled, so nothing of the chain can be done before. */
export function startChain(seed: Uint8Array, startNonce: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8(START_DOMAIN), seed, startNonce));
}

/** The chain value after a step. */
export function nextChainValue(q: Uint8Array, root: Uint8Array): Uint8Array {
  return sha256(concatBytes(q, root));
}

/** The chain value at the start of every step, and one more after the last root. */
export function chainValues(seed: Uint8Array, startNonce: Uint8Array, roots: readonly Uint8Array[]): Uint8Array[] {
  const values = [startChain(seed, startNonce)];
  for (const root of roots) values.push(nextChainValue(values[values.length - 1]!, root));
  return values;
}
