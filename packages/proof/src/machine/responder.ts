/**
 * What travels over a published port in a machine check: requests that only who knows the session's secret can make, and answers that only the
 * pod can give. Ports, round trips and transfers are measured with it, by the validator and by other vantage points.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, equalBytes, readU32, u16Bytes, u32Bytes, utf8 } from '../bytes.ts';
import { createBlockMaker, DISK_BLOCK_BYTES, DISK_BLOCKS_AT_ONCE } from './disk-blocks.ts';

/** `echo`: prove that this port leads into the pod. `down`: send a payload. `up`: take a payload in and answer with its digest. */
export const RESPONDER_KINDS = ['echo', 'down', 'up'] as const;
export type ResponderKind = (typeof RESPONDER_KINDS)[number];

/** One request: its fresh nonce (32 bytes), and how many payload bytes follow in either direction. */
export interface ResponderRequest {
  kind: ResponderKind;
  nonce: Uint8Array;
  bytes: number;
}

/** Bytes of a request on the wire: kind 1, nonce 32, length 4, proof of the secret 32. */
export const RESPONDER_REQUEST_BYTES = 69;
/** Bytes of an answer to `echo` and `up`. */
export const RESPONDER_ANSWER_BYTES = 32;
/** The largest payload of one request. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

/** A request as bytes; `port` is the pod's own port, so that one port's request is of no use at another. */
export function encodeResponderRequest(request: ResponderRequest, secret: Uint8Array, port: number): Uint8Array {
  const head = headOf(request);
  return concatBytes(head, sha256(concatBytes(utf8('celium/port/ask'), secret, u16Bytes(port), head)));
}

/** Reads a request; null when it is malformed or made without the secret. */
export function parseResponderRequest(bytes: Uint8Array, secret: Uint8Array, port: number): ResponderRequest | null {
  const kind = RESPONDER_KINDS[bytes[0] ?? -1];
  if (bytes.length !== RESPONDER_REQUEST_BYTES || kind === undefined) return null;
  const request = { kind, nonce: bytes.slice(1, 33), bytes: readU32(bytes, 33) };
  if (request.bytes > MAX_PAYLOAD_BYTES) return null;
  return equalBytes(encodeResponderRequest(request, secret, port), bytes) ? request : null;
}

/** The pod's answer: to `echo` with no payload, to `up` over what it received. */
export function responderAnswer(
  request: ResponderRequest,
  secret: Uint8Array,
  port: number,
  payloadDigest: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return sha256(concatBytes(utf8('celium/port/answer'), secret, u16Bytes(port), headOf(request), payloadDigest));
}

/** The payload of one transfer, piece by piece: bytes that follow from key and nonce and compress to nothing less. */
export function payloadSource(key: Uint8Array, nonce: Uint8Array): (piece: number) => Uint8Array {
  const make = createBlockMaker();
  const own = sha256(concatBytes(utf8('celium/port/payload'), key, nonce));
  return (piece) => {
    const first = piece * DISK_BLOCKS_AT_ONCE;
    return make(own, [first, first + 1, first + 2, first + 3], 0).slice();
  };
}

/** Bytes of one piece of a payload. */
export const PAYLOAD_PIECE_BYTES = DISK_BLOCK_BYTES * DISK_BLOCKS_AT_ONCE;

function headOf({ kind, nonce, bytes }: ResponderRequest): Uint8Array {
  return concatBytes(Uint8Array.of(RESPONDER_KINDS.indexOf(kind)), nonce, u32Bytes(bytes));
}
