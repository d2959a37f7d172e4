/** The bytes that commits are made of, in the pallet's own SCALE forms: the timelocked payload and the preimage of a hashed commit. */
import { blake2b } from '@noble/hashes/blake2.js';
import { compactLength, concat, sameBytes, toHex } from '../keys/bytes.ts';
import type { WeightsRow } from '../subnet-chain.ts';

/** A row as it is committed. */
export interface WeightsPayload {
  /** Public key of the hotkey, 32 bytes. */
  readonly hotkey: Uint8Array;
  readonly row: WeightsRow;
  readonly versionKey: bigint;
}

/** `{ hotkey: Vec<u8>, uids: Vec<u16>, values: Vec<u16>, version_key: u64 }`. */
export function encodeWeightsPayload({ hotkey, row, versionKey }: WeightsPayload): Uint8Array {
  return concat(
    compactLength(hotkey.length),
    hotkey,
    u16List(row.map(([uid]) => uid)),
    u16List(row.map(([, weight]) => weight)),
    u64(versionKey),
  );
}

/** The payload again, or null for bytes that are none: the chain drops such a commit without an event. */
export function decodeWeightsPayload(bytes: Uint8Array): WeightsPayload | null {
  const reader = new Reader(bytes);
  const hotkey = reader.take(reader.compact());
  const uids = reader.u16List();
  const values = reader.u16List();
  const tail = reader.take(8);
  if (hotkey?.length !== 32 || uids === null || values === null || tail === null || !reader.atEnd()) return null;
  if (uids.length !== values.length) return null;
  const versionKey = new DataView(tail.buffer, tail.byteOffset, 8).getBigUint64(0, true);
  return { hotkey, row: uids.map((uid, index) => [uid, values[index] ?? 0] as const), versionKey };
}

/** What a hashed commit says: blake2-256 over (hotkey, storage index, uids, values, salt, version key); 64 hex digits. */
export function weightsCommitHash(payload: WeightsPayload, netuid: number, salt: readonly number[]): string {
  const preimage = concat(
    payload.hotkey,
    u16(netuid),
    u16List(payload.row.map(([uid]) => uid)),
    u16List(payload.row.map(([, weight]) => weight)),
    u16List(salt),
    u64(payload.versionKey),
  );
  return commitDigest(preimage);
}

/** Blake2-256 of a commit's bytes, as the chain's event names it. */
export function commitDigest(commit: Uint8Array): string {
  return toHex(blake2b(commit, { dkLen: 32 }));
}

/** Whether a payload is this hotkey's. */
export function isPayloadOf(payload: WeightsPayload, hotkey: Uint8Array): boolean {
  return sameBytes(payload.hotkey, hotkey);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u64(value: bigint): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, value, true);
  return out;
}

function u16List(values: readonly number[]): Uint8Array {
  return concat(compactLength(values.length), ...values.map(u16));
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number | null): Uint8Array | null {
    if (length === null || this.#at + length > this.#bytes.length) return null;
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  compact(): number | null {
    const first = this.#bytes[this.#at];
    if (first === undefined || (first & 3) === 3) return null;
    const size = [1, 2, 4][first & 3] ?? 1;
    const raw = this.take(size);
    return raw === null ? null : raw.reduceRight((sum, byte) => sum * 256 + byte, 0) >>> 2;
  }

  u16List(): number[] | null {
    const length = this.compact();
    const raw = length === null || length > 4_096 ? null : this.take(length * 2);
    return raw === null
      ? null
      : Array.from({ length: raw.length / 2 }, (_, index) => (raw[index * 2] ?? 0) | ((raw[index * 2 + 1] ?? 0) << 8));
  }
}
