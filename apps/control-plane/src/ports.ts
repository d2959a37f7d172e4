/** What the market needs from outside, as arguments: a simulator runs the same handlers with its own. */
import type { CrashHere } from '@celium/contract';
import type { KeySigner } from '@celium/chain';
import type { MarketMoment } from '@celium/domain';
import type { Logger } from 'pino';

export interface Clock {
  /** Unix milliseconds, an integer. */
  now(): number;
  /** The host's monotonic clock, comparable between processes of one boot. */
  moment(): MarketMoment;
  /** Resolves after `ms`, or at once when the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Randomness {
  uuid(): string;
  bytes(length: number): Uint8Array;
  /** At least 0, less than 1. */
  fraction(): number;
}

/** What one key exchange with a pod showed. */
export type ProbeAnswer = { ok: true } | { ok: false; reason: 'unreachable' | 'host-key-mismatch'; detail: string };

/** A key exchange against the host key of the grant, without login. */
export type Probe = (target: {
  host: string;
  port: number;
  /** `ssh-ed25519 AAAA...` */
  hostKey: string;
  timeoutMs: number;
  signal?: AbortSignal;
}) => Promise<ProbeAnswer>;

/** Which hotkeys (SS58) hold a validator permit on the subnet now. */
export type PermitReader = (hotkey: string) => Promise<boolean>;

/** A validator with a permit and the base address of its API, as the chain knows it. */
export interface ValidatorAddress {
  /** SS58. */
  hotkey: string;
  url: string;
}

/** Which validators may be asked for a check now. Throws CHAIN_UNAVAILABLE. */
export type ValidatorReader = () => Promise<readonly ValidatorAddress[]>;

/** Posts JSON to a stranger's program; throws without an answer, and for one that is larger than `maxBytes`. */
export type PostJson = (ask: {
  url: string;
  headers: Record<string, string>;
  body: string;
  maxBytes: number;
  signal: AbortSignal;
}) => Promise<{ status: number; text: string }>;

export interface MarketPorts {
  clock: Clock;
  randomness: Randomness;
  probe: Probe;
  hasPermit: PermitReader;
  validators: ValidatorReader;
  postJson: PostJson;
  /** The market's key: authority of its lease requests, audience of signed requests. */
  key: KeySigner;
  log: Logger;
  crashHere: CrashHere;
}
