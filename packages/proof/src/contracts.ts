/** The shapes that the validator side of a challenge takes and gives; behaviour lives in the files that implement them. */
import type { ProofFailure, ProofFailureCode } from './failures.ts';
import type { DeviceName } from './frames.ts';
import type { ParamsName } from './params.ts';

/** A bidirectional byte stream to a prover, for example an interactive SSH shell. */
export interface ProofTransport {
  /** Sends whole lines, newline included. Must not block; errors surface through `onClose`. */
  write(text: string): void;
  /** Registers the one receiver of bytes; it must be called synchronously as bytes arrive. */
  onData(listener: (chunk: Uint8Array) => void): void;
  /** Registers the one receiver of the end of the stream. */
  onClose(listener: () => void): void;
}

/** A monotonic clock with timers; virtual in simulations. */
export interface ProofClock {
  /** Milliseconds from an arbitrary origin; never goes back. */
  nowMs(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels it. */
  setTimer(delayMs: number, fire: () => void): () => void;
}

/** Who a challenge is bound to. Lowercase hex of 32 bytes each, except `unit` and `barrierId`, which are text of at most 128 bytes. */
export interface ProofBinding {
  /** A recent finalised block, so the seed cannot be older than it. */
  blockHash: string;
  hotkey: string;
  machineKey: string;
  /** SHA-256 of the canonical grant. */
  grantHash: string;
  /** SHA-256 of the pod's SSH host key blob, from the validator's own key exchange. */
  hostKeyHash: string;
  unit: string;
  barrierId: string;
}

/** One opened answer: the eight 8-byte digests of its Merkle leaf and the path to the step's root, as hex. */
export interface Opening {
  step: number;
  index: number;
  digests: string;
  path: string;
}

/** Everything an offline audit needs. Roots and openings may be short when a challenge failed; then the audit fails too. */
export interface ProofTranscript {
  version: 'cgp1/transcript/1';
  params: ParamsName;
  binding: ProofBinding;
  /** 32 random bytes of the validator, hex; in the seed. */
  nonce: string;
  /** 32 random bytes sent after the fill, hex; opens the chain. Empty when the chain never started. */
  startNonce: string;
  /** 32 random bytes drawn after the last root, hex; decides the samples. Empty when it was never drawn. */
  auditNonce: string;
  /** One root per step, hex, in the order of the chain. */
  roots: string[];
  openings: Opening[];
}

/** What the validator's own clock saw, in milliseconds. */
export interface ObservedTiming {
  /** From sending the challenge to `filled`; null when it never came. */
  fillMs: number | null;
  /** From sending `start` to the arrival of the last root, or to giving up when it was late; null when the chain ended otherwise. */
  elapsedMs: number | null;
  /** Each root's arrival after `start`. */
  rootArrivalsMs: number[];
  /** Smallest round trip of the probes before and after; null without any reply. */
  rttMinMs: number | null;
  /** Every round trip of the probes. */
  rttMs: number[];
  /** Bytes received from the prover, noise included. */
  bytesReceived: number;
}

/** The end of the timed part. `failure` is null when every root and opening arrived before the hard limits. */
export interface ChallengeResult {
  transcript: ProofTranscript;
  timing: ObservedTiming;
  failure: ProofFailure | null;
  /** What the prover says it runs on: a hint. Null when it never greeted. */
  claimedDevice: DeviceName | null;
}

/** How many samples of each kind an audit looked at. */
export interface SampleCounts {
  tiles: number;
  leaves: number;
  walks: number;
}

/** The result of recomputing every sampled answer. */
export interface AuditOutcome {
  ok: boolean;
  failure: ProofFailure | null;
  checked: SampleCounts;
  wrong: SampleCounts;
}

/** Integers a receipt carries; milliseconds, units and bytes as named. -1 stands for "never observed". */
export interface ProofFigures {
  workUnits: number;
  elapsedMs: number;
  limitMs: number;
  fillMs: number;
  rttMinMs: number;
  declaredRateUnitsPerSecond: number;
  measuredRateUnitsPerSecond: number;
  memoryBytes: number;
  bytesReceived: number;
  tiles: number;
  leaves: number;
  walks: number;
}

/** The proof's part of a receipt: what a validator signs and what an offline audit checks. */
export interface ProofClaim {
  params: ParamsName;
  /** SHA-256 of the canonical transcript, hex. */
  transcriptHash: string;
  verdict: 'pass' | 'fail';
  reason: 'none' | ProofFailureCode;
  /** One printable ASCII sentence of at most 240 characters. */
  detail: string;
  figures: ProofFigures;
}
