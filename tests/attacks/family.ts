/** What a family of attacks is: how it is played, and the row that each of its attacks leaves in the report. */
import type { TrialThreads } from './threads.ts';
import { wilson } from './wilson.ts';

/**
 * `content`: real digests at micro parameters. `timing`: the validator's own rule on a paced device under a virtual clock, always simulated. `real-time`: real
 * programs on the real clock, few tries and no target in percent.
 */
export type RunKind = 'content' | 'timing' | 'real-time';

/** What was counted over some tries of one attack, or of honest machines. Plain data: it travels between threads and adds up. */
export interface Tally {
  tries: number;
  /** Tries that ended in a failed verdict. */
  detected: number;
  /** How often each reason was given. */
  reasons: Record<string, number>;
  /** CPU-seconds of the validator's side and bytes it received, over `units` proofs that were measured. */
  validatorCpuSeconds: number;
  proofBytes: number;
  units: number;
}

/** A floor under the rate of detection: on the rate itself, or, more strictly, on its lower Wilson bound. */
export interface DetectionTarget {
  of: 'rate' | 'wilsonLow';
  atLeast: number;
}

/** Honest machines beside an attack, in the same conditions. */
export interface HonestBeside {
  tries: number;
  falseRejects: number;
  wilsonHigh: number;
  /** The most false rejects, as a share of the tries. */
  target: { atMost: number } | null;
}

/** One attack as the report shows it. Rates are shares from 0 to 1. */
export interface AttackRow {
  family: string;
  attack: string;
  run: RunKind;
  tries: number;
  detected: number;
  rate: number;
  wilsonLow: number;
  wilsonHigh: number;
  /** Null where the suite only reports what it sees. */
  target: DetectionTarget | null;
  honest: HonestBeside;
  validatorCpuSecondsPerUnit: number;
  proofBytesPerUnit: number;
  /** Whether a model stood for hardware or network. */
  simulated: boolean;
  /** The reasons that the validator gave, with counts. */
  reasons: Record<string, number>;
  note: string;
}

/** What a family gets to play with. */
export interface AttackSetting {
  /** Few tries and wider targets, for CI; a broken detection still fails. */
  quick: boolean;
  /** Where all randomness of content and timing runs starts: the same seed gives the same tries. */
  seed: number;
  threads: TrialThreads;
  progress(line: string): void;
  /** Takes each row as soon as it is complete: what was played counts, also where a family breaks off. */
  row(row: AttackRow): void;
  /** Takes what could not be played here, and why. */
  notRun(what: string, why: string): void;
  /** Fires when the run is interrupted: a family then rejects at the end of a try, with nothing left behind. */
  signal: AbortSignal;
}

/** A family of attacks: one file that the registry names. */
export interface AttackFamily {
  /** What `--family` takes. */
  name: string;
  run: RunKind;
  /** Whether `--quick` plays it too. */
  inQuick: boolean;
  /** Plays all its attacks. Rejects only for faults of the suite itself. */
  play(setting: AttackSetting): Promise<void>;
}

/** A tally of nothing. */
export function emptyTally(): Tally {
  return { tries: 0, detected: 0, reasons: {}, validatorCpuSeconds: 0, proofBytes: 0, units: 0 };
}

/** Both tallies in one. */
export function addTallies(one: Tally, other: Tally): Tally {
  const reasons = { ...one.reasons };
  for (const [reason, count] of Object.entries(other.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count;
  return {
    tries: one.tries + other.tries,
    detected: one.detected + other.detected,
    reasons,
    validatorCpuSeconds: one.validatorCpuSeconds + other.validatorCpuSeconds,
    proofBytes: one.proofBytes + other.proofBytes,
    units: one.units + other.units,
  };
}

/** What a row says besides its counts. */
export interface RowHead {
  family: string;
  attack: string;
  run: RunKind;
  target: DetectionTarget | null;
  honestTarget: { atMost: number } | null;
  simulated: boolean;
  note: string;
}

/** The row of one attack from its tally and that of the honest machines beside it. */
export function composeRow(head: RowHead, attacked: Tally, honest: Tally): AttackRow {
  const { honestTarget, ...shown } = head;
  const { rate, low, high } = wilson(attacked.detected, attacked.tries);
  const per = Math.max(1, attacked.units);
  return {
    ...shown,
    tries: attacked.tries,
    detected: attacked.detected,
    rate,
    wilsonLow: low,
    wilsonHigh: high,
    honest: {
      tries: honest.tries,
      falseRejects: honest.detected,
      wilsonHigh: wilson(honest.detected, honest.tries).high,
      target: honestTarget,
    },
    validatorCpuSecondsPerUnit: attacked.validatorCpuSeconds / per,
    proofBytesPerUnit: Math.round(attacked.proofBytes / per),
    reasons: attacked.reasons,
  };
}
