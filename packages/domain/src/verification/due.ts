/** When a machine is checked next: pure arithmetic on what a validator knows of it. */
import { standingOf } from './retry.ts';

/** Intervals in milliseconds. */
export interface Intervals {
  /** The middle of the routine interval: it is drawn from two to four thirds of this, 60 to 120 minutes for 90. */
  recheckMs: number;
  /** From a first failure to its repetition, and on to the third check that decides; at most 10 min. */
  retryMs: number;
}

/** A failure is repeated within this time. */
export const MAX_RETRY_MS = 600_000;
/** From a visit that brought no verdict (busy, unreachable, void) to the next, doubling up to the longest. */
const REVISIT_MS = 5_000;
const REVISIT_MAX_MS = 600_000;

/** One verdict on one unit, in short. */
export interface UnitVerdict {
  unit: string;
  verdict: 'pass' | 'fail';
  endedAtMs: number;
}

/** The last visit that brought no receipt: how many in a row, and when (unix ms). */
export interface Visit {
  atMs: number;
  count: number;
}

/** What a validator knows of one unit. */
export interface UnitHistory {
  /** Our verdicts, the newest first. */
  verdicts: readonly UnitVerdict[];
  visit: Visit | null;
  /** Without a verdict: when the first check is due, unix ms; 0 for at once. */
  firstAtMs: number;
  /** After a lease ended: when the check that follows is due, unix ms. It counts while it is newer than the last verdict. */
  releaseDueAtMs: number | null;
}

/**
 * When the next check is due, unix ms; 0 for at once.
 *
 * A failure is repeated within ten minutes, and when the two differ a third check decides (`standingOf`); after a decided failure, and after
 * a pass that stands, the routine interval runs. A lease that ended brings a check forward and never puts one off.
 *
 * @param jitter a number in [0, 1) that draws from the intervals
 */
export function nextCheckAtMs(history: UnitHistory, intervals: Intervals, jitter: number): number {
  const { visit } = history;
  const newest = history.verdicts[0];
  const routineDueMs =
    newest === undefined ? history.firstAtMs : newest.endedAtMs + intervalAfter(history.verdicts, intervals, jitter);
  const released = releaseStands(history) ? history.releaseDueAtMs : null;
  const dueMs = released === null ? routineDueMs : Math.min(routineDueMs, released);
  if (visit === null || (newest !== undefined && newest.endedAtMs > visit.atMs)) return dueMs;
  // The lease that kept us out is over: there is nothing to wait for any more.
  if (released !== null && released > visit.atMs) return dueMs;
  const revisitMs = Math.min(REVISIT_MS * 2 ** Math.min(visit.count - 1, 10), REVISIT_MAX_MS, intervals.recheckMs);
  return Math.max(dueMs, visit.atMs + revisitMs);
}

function releaseStands({ releaseDueAtMs, verdicts }: UnitHistory): boolean {
  return releaseDueAtMs !== null && releaseDueAtMs > (verdicts[0]?.endedAtMs ?? 0);
}

/** From the newest verdict to the next check: short while the retry rule leaves a failure open. */
function intervalAfter(verdicts: readonly UnitVerdict[], intervals: Intervals, jitter: number): number {
  if (standingOf(verdicts).undecided) return Math.min(intervals.retryMs, MAX_RETRY_MS) * (0.8 + 0.2 * jitter);
  return (intervals.recheckMs * 2 * (1 + jitter)) / 3;
}

/** Whether the next check of a unit is an onboarding: it has no standing pass of ours. */
export function isOnboarding(verdicts: readonly UnitVerdict[], nowMs: number, validMs: number): boolean {
  const newest = verdicts[0];
  return newest === undefined || newest.verdict === 'fail' || nowMs - newest.endedAtMs > validMs;
}
