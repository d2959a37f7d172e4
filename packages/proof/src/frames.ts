/** The frames of the challenge protocol: fixed layouts, little-endian, parsed by length; nothing in them is trusted or evaluated. */
import { concatBytes, readU16, readU32, u16Bytes, u32Bytes } from './bytes.ts';
import type { Sample } from './draw.ts';
import { DIGEST_BYTES, DIGESTS_PER_MERKLE_LEAF, type ChallengeSizes, STEP_KINDS, type StepKind } from './params.ts';

/** The version of the protocol that both sides name. */
export const PROTOCOL_VERSION = 1;

/** The first byte of each frame; the high bit marks the prover's. */
export const FRAME = {
  challenge: 0x01,
  ping: 0x02,
  start: 0x03,
  open: 0x04,
  end: 0x05,
  share: 0x06,
  pair: 0x07,
  hello: 0x81,
  pong: 0x82,
  filled: 0x83,
  root: 0x84,
  opening: 0x85,
  shared: 0x86,
  paired: 0x87,
  error: 0x8f,
} as const;

/** The devices a prover can say it runs on; the position is the byte in `hello`. A hint, never evidence. */
export const DEVICES = ['cpu', 'cuda', 'simulated'] as const;
export type DeviceName = (typeof DEVICES)[number];

/** What a prover can say went wrong on its side; the position is the byte in `error`. */
export const PROVER_ERRORS = ['device-fault', 'out-of-memory', 'refused-challenge', 'no-peer'] as const;
export type ProverError = (typeof PROVER_ERRORS)[number];

/** Frames of the validator. */
export type ValidatorFrame =
  | { type: 'challenge'; seed: Uint8Array; sizes: ChallengeSizes }
  | { type: 'ping'; token: Uint8Array }
  | { type: 'start'; nonce: Uint8Array }
  | { type: 'open'; samples: Sample[] }
  | { type: 'share'; token: Uint8Array }
  | ({ type: 'pair' } & PairRequest)
  | { type: 'end' };

/** What the lead of a pair is told of its peer and of the pair's chain. */
export interface PairRequest {
  /** Where the peer shares its memory: the same token that it was told. */
  token: Uint8Array;
  peerSeed: Uint8Array;
  peerLeaves: number;
  /** Answers of one step; a multiple of 8. */
  answers: number;
  steps: number;
}

/** Frames of the prover. */
export type ProverFrame =
  | { type: 'hello'; version: number; device: DeviceName }
  | { type: 'pong'; token: Uint8Array }
  | { type: 'filled' }
  | { type: 'root'; step: number; root: Uint8Array }
  | { type: 'opening'; step: number; index: number; digests: Uint8Array; path: Uint8Array }
  | { type: 'shared' | 'paired' }
  | { type: 'error'; error: ProverError };

export const HASH_BYTES = 32;
/** Bytes of a ping's token. */
export const TOKEN_BYTES = 8;
/** Bytes of the token under which two provers of one pod find each other. */
export const PEER_TOKEN_BYTES = 16;
const PAIR_BYTES = 2 + PEER_TOKEN_BYTES + HASH_BYTES + 4 + 4 + 2;
const OPENED_BYTES = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;
const CHALLENGE_FIXED_BYTES = 2 + HASH_BYTES + 4 + 2 + 4 + 4 + 4 + 4 + 2 + 2 + 1;
const SAMPLE_BYTES = 6;
/** Samples in one `open` frame. */
export const MAX_SAMPLES_PER_FRAME = 256;
const MAX_PATH_HASHES = 32;
const OPENING_FIXED_BYTES = 7 + OPENED_BYTES;

/** The bytes of a validator's frame. */
export function encodeValidatorFrame(frame: ValidatorFrame): Uint8Array {
  switch (frame.type) {
    case 'challenge':
      return concatBytes(Uint8Array.of(FRAME.challenge, PROTOCOL_VERSION), frame.seed, encodeSizes(frame.sizes));
    case 'ping':
      return concatBytes(Uint8Array.of(FRAME.ping), frame.token);
    case 'start':
      return concatBytes(Uint8Array.of(FRAME.start), frame.nonce);
    case 'open':
      return concatBytes(
        Uint8Array.of(FRAME.open),
        ...frame.samples.flatMap(({ step, index }) => [u16Bytes(step), u32Bytes(index)]),
      );
    case 'share':
      return concatBytes(Uint8Array.of(FRAME.share), frame.token);
    case 'pair':
      return concatBytes(
        Uint8Array.of(FRAME.pair, PROTOCOL_VERSION),
        frame.token,
        frame.peerSeed,
        u32Bytes(frame.peerLeaves),
        u32Bytes(frame.answers),
        u16Bytes(frame.steps),
      );
    case 'end':
      return Uint8Array.of(FRAME.end);
  }
}

function encodeSizes(sizes: ChallengeSizes): Uint8Array {
  return concatBytes(
    u32Bytes(sizes.memoryLeaves),
    u16Bytes(sizes.fillIterations),
    u32Bytes(sizes.productSize),
    u32Bytes(sizes.productDepth),
    u32Bytes(sizes.segmentBytes),
    u32Bytes(sizes.walkers),
    u16Bytes(sizes.hopsPerWalk),
    u16Bytes(sizes.rounds),
    Uint8Array.of(sizes.pattern.length, ...sizes.pattern.map((kind) => STEP_KINDS.indexOf(kind))),
  );
}

/** Reads a validator's frame; null when it is none of this version. Sizes are only parsed: whether they can be met is the device's business. */
export function parseValidatorFrame(bytes: Uint8Array): ValidatorFrame | null {
  const body = bytes.subarray(1);
  switch (bytes[0]) {
    case FRAME.challenge:
      return parseChallenge(bytes);
    case FRAME.ping:
      return body.length === TOKEN_BYTES ? { type: 'ping', token: body.slice() } : null;
    case FRAME.start:
      return body.length === HASH_BYTES ? { type: 'start', nonce: body.slice() } : null;
    case FRAME.open:
      return parseOpen(body);
    case FRAME.share:
      return body.length === PEER_TOKEN_BYTES ? { type: 'share', token: body.slice() } : null;
    case FRAME.pair:
      return parsePair(bytes);
    case FRAME.end:
      return body.length === 0 ? { type: 'end' } : null;
    default:
      return null;
  }
}

function parseChallenge(bytes: Uint8Array): ValidatorFrame | null {
  if (bytes.length < CHALLENGE_FIXED_BYTES || bytes[1] !== PROTOCOL_VERSION) return null;
  const steps = bytes[CHALLENGE_FIXED_BYTES - 1]!;
  if (steps === 0 || bytes.length !== CHALLENGE_FIXED_BYTES + steps) return null;
  const pattern: StepKind[] = [];
  for (const byte of bytes.subarray(CHALLENGE_FIXED_BYTES)) {
    const kind = STEP_KINDS[byte];
    if (kind === undefined) return null;
    pattern.push(kind);
  }
  const sizes: ChallengeSizes = {
    memoryLeaves: readU32(bytes, 34),
    fillIterations: readU16(bytes, 38),
    productSize: readU32(bytes, 40),
    productDepth: readU32(bytes, 44),
    segmentBytes: readU32(bytes, 48),
    walkers: readU32(bytes, 52),
    hopsPerWalk: readU16(bytes, 56),
    rounds: readU16(bytes, 58),
    pattern,
  };
  return { type: 'challenge', seed: bytes.slice(2, 34), sizes };
}

function parsePair(bytes: Uint8Array): ValidatorFrame | null {
  if (bytes.length !== PAIR_BYTES || bytes[1] !== PROTOCOL_VERSION) return null;
  const seedAt = 2 + PEER_TOKEN_BYTES;
  const sizesAt = seedAt + HASH_BYTES;
  return {
    type: 'pair',
    token: bytes.slice(2, seedAt),
    peerSeed: bytes.slice(seedAt, sizesAt),
    peerLeaves: readU32(bytes, sizesAt),
    answers: readU32(bytes, sizesAt + 4),
    steps: readU16(bytes, sizesAt + 8),
  };
}

function parseOpen(body: Uint8Array): ValidatorFrame | null {
  if (body.length === 0 || body.length % SAMPLE_BYTES !== 0) return null;
  if (body.length > MAX_SAMPLES_PER_FRAME * SAMPLE_BYTES) return null;
  const samples: Sample[] = [];
  for (let at = 0; at < body.length; at += SAMPLE_BYTES) {
    samples.push({ step: readU16(body, at), index: readU32(body, at + 2) });
  }
  return { type: 'open', samples };
}

/** The bytes of a prover's frame. */
export function encodeProverFrame(frame: ProverFrame): Uint8Array {
  switch (frame.type) {
    case 'hello':
      return Uint8Array.of(FRAME.hello, frame.version, DEVICES.indexOf(frame.device));
    case 'pong':
      return concatBytes(Uint8Array.of(FRAME.pong), frame.token);
    case 'filled':
      return Uint8Array.of(FRAME.filled);
    case 'root':
      return concatBytes(Uint8Array.of(FRAME.root), u16Bytes(frame.step), frame.root);
    case 'opening': {
      const head = concatBytes(Uint8Array.of(FRAME.opening), u16Bytes(frame.step), u32Bytes(frame.index));
      return concatBytes(head, frame.digests, frame.path);
    }
    case 'shared':
    case 'paired':
      return Uint8Array.of(FRAME[frame.type]);
    case 'error':
      return Uint8Array.of(FRAME.error, PROVER_ERRORS.indexOf(frame.error));
  }
}

/** Reads a prover's frame; null when it has not exactly the form of one. */
export function parseProverFrame(bytes: Uint8Array): ProverFrame | null {
  switch (bytes[0]) {
    case FRAME.hello: {
      const device = DEVICES[bytes[2] ?? -1];
      return bytes.length === 3 && device !== undefined ? { type: 'hello', version: bytes[1]!, device } : null;
    }
    case FRAME.pong:
      return bytes.length === 1 + TOKEN_BYTES ? { type: 'pong', token: bytes.slice(1) } : null;
    case FRAME.filled:
      return bytes.length === 1 ? { type: 'filled' } : null;
    case FRAME.root:
      if (bytes.length !== 3 + HASH_BYTES) return null;
      return { type: 'root', step: readU16(bytes, 1), root: bytes.slice(3) };
    case FRAME.opening:
      return parseOpening(bytes);
    case FRAME.shared:
      return bytes.length === 1 ? { type: 'shared' } : null;
    case FRAME.paired:
      return bytes.length === 1 ? { type: 'paired' } : null;
    case FRAME.error: {
      const error = PROVER_ERRORS[bytes[1] ?? -1];
      return bytes.length === 2 && error !== undefined ? { type: 'error', error } : null;
    }
    default:
      return null;
  }
}

function parseOpening(bytes: Uint8Array): ProverFrame | null {
  const pathBytes = bytes.length - OPENING_FIXED_BYTES;
  if (pathBytes < 0 || pathBytes % HASH_BYTES !== 0 || pathBytes > MAX_PATH_HASHES * HASH_BYTES) return null;
  return {
    type: 'opening',
    step: readU16(bytes, 1),
    index: readU32(bytes, 3),
    digests: bytes.slice(7, OPENING_FIXED_BYTES),
    path: bytes.slice(OPENING_FIXED_BYTES),
  };
}
