/** A log head as the 48 bytes of a commitment: a mark, the height, the hash. */
import { concat, fromHex, sameBytes, toHex, utf8 } from '../keys/bytes.ts';
import { CeliumError } from '@celium/contract';
import type { LogHead } from '../subnet-chain.ts';

const MARK = utf8('celium/1');

/** Throws `BAD_REQUEST` for a hash of another form. */
export function encodeLogAnchor({ height, hash }: LogHead): Uint8Array {
  const digest = fromHex(hash, 32);
  if (digest === null || !Number.isSafeInteger(height) || height < 0) {
    throw new CeliumError('BAD_REQUEST', 'a log head has a height and a hash of 64 hex digits');
  }
  const number_ = new Uint8Array(8);
  new DataView(number_.buffer).setBigUint64(0, BigInt(height));
  return concat(MARK, number_, digest);
}

/** The head again, or null when the hotkey has committed to something else. */
export function decodeLogAnchor(bytes: Uint8Array): LogHead | null {
  if (bytes.length !== 48 || !sameBytes(bytes.slice(0, 8), MARK)) return null;
  const height = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(8));
  return Number.isSafeInteger(height) ? { height, hash: toHex(bytes.slice(16)) } : null;
}
