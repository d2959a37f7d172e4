/** SS58 addresses: base58 of prefix, 32-byte public key and a two-byte BLAKE2b checksum (Substrate's `ss58` registry). */
import { base58 } from '@scure/base';
import { blake2b } from '@noble/hashes/blake2.js';
import { CeliumError } from '@celium/contract';
import { concat, sameBytes, utf8 } from './bytes.ts';

/** The network prefix of Bittensor and of generic Substrate addresses. */
export const SS58_PREFIX = 42;

const CHECKSUM_CONTEXT = utf8('SS58PRE');
const CHECKSUM_LENGTH = 2;
const LONGEST_ADDRESS = 64;

/** An address in SS58 form with prefix 42, such as `5GrwvaEF...`. */
export type Ss58 = string;

function checksum(payload: Uint8Array): Uint8Array {
  return blake2b(concat(CHECKSUM_CONTEXT, payload), { dkLen: 64 }).subarray(0, CHECKSUM_LENGTH);
}

/** The address of a 32-byte public key under prefix 42. Throws `BAD_REQUEST` on another length. */
export function encodeSs58(publicKey: Uint8Array): Ss58 {
  if (publicKey.length !== 32) {
    throw new CeliumError('BAD_REQUEST', `a public key has 32 bytes, this one ${publicKey.length}`);
  }
  const payload = concat(Uint8Array.of(SS58_PREFIX), publicKey);
  return base58.encode(concat(payload, checksum(payload)));
}

/** Why a text is no address of this network, in words a person reads; `null` when it is one. */
export function explainBadSs58(address: string): string | null {
  const parsed = parse(address);
  return typeof parsed === 'string' ? parsed : null;
}

/** Whether a text is a prefix-42 address with a right checksum. */
export function isSs58(address: string): boolean {
  return typeof parse(address) !== 'string';
}

/** The 32-byte public key of a prefix-42 address. Throws `BAD_REQUEST` with the reason otherwise. */
export function decodeSs58(address: string): Uint8Array {
  const parsed = parse(address);
  if (typeof parsed === 'string') {
    throw new CeliumError(
      'BAD_REQUEST',
      `"${address.slice(0, LONGEST_ADDRESS)}" is no Bittensor address: ${parsed}. Copy the whole address again; it starts with 5 and has 48 characters`,
    );
  }
  return parsed;
}

function parse(address: string): Uint8Array | string {
  if (typeof address !== 'string' || address.length === 0) return 'it is empty';
  if (address.length > LONGEST_ADDRESS) return 'it is too long';
  let bytes: Uint8Array;
  try {
    bytes = base58.decode(address);
  } catch {
    return 'it holds characters that base58 does not have';
  }
  const first = bytes[0] ?? 0;
  const prefixLength = first < 64 ? 1 : 2;
  if (bytes.length !== prefixLength + 32 + CHECKSUM_LENGTH) return 'its length is wrong';
  const payload = bytes.subarray(0, bytes.length - CHECKSUM_LENGTH);
  if (!sameBytes(checksum(payload), bytes.subarray(bytes.length - CHECKSUM_LENGTH))) return 'its checksum is wrong';
  if (prefixLength !== 1 || first !== SS58_PREFIX) return 'it belongs to another network (its prefix is not 42)';
  return bytes.slice(1, 33);
}
