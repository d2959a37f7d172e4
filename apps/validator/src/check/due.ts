/** When a machine is checked next: pure arithmetic on what is known of it. */

import type { UnitVerdict } from '../state/receipt-book.ts';

/** Intervals in milliseconds. */
export interface Intervals {
  /** From a verdict that stands to the next routine check. */
  recheckMs: number;
  /** From a first failure to its repetition, and on to the third check that decides; at most 10 min. */
  retryMs: number;
}

/** A failure is repeated within this time. */
export const MAX_RETRY_MS = 600_000;
/** From a visit that brought no verdict (busy, unreachable, void) to the next, doubling up to the longest. */
const REVISIT_MS = 5_000;
const REVISIT_MAX_MS = 600_000;

/** The last visit that brought no receipt: how many in a row, and when (unix ms). */
export interface Visit {
  atMs: number;
  count: number;
}

/**
 * When the next check is due, unix ms; 0 for at once.
 *
 * A failure is repeated within ten minutes; when the two differ a third check decides; after three failures in a row, and after
 * a pass that stands, the routine interval runs. `jitter` is a number in [0, 1) that spreads machines over a fifth of the interval.
 *
 * @param verdicts the newest first, of one unit
 */
export function nextCheckAtMs(
  verdicts: readonly UnitVerdict[],
  lastVisit: Visit | null,
  intervals: Intervals,
  jitter: number,
): number {
  const [newest, second, third] = verdicts;
  const verdictDueMs =
    newest === undefined ? 0 : newest.endedAtMs + intervalAfter(newest, second, third, intervals, jitter);
  if (lastVisit === null || (newest !== undefined && newest.endedAtMs > lastVisit.atMs)) return verdictDueMs;
  const revisitMs = Math.min(REVISIT_MS * 2 ** Math.min(lastVisit.count - 1, 10), REVISIT_MAX_MS, intervals.recheckMs);
  return Math.max(verdictDueMs, lastVisit.atMs + revisitMs);
}

function intervalAfter(
  newest: UnitVerdict,
  second: UnitVerdict | undefined,
  third: UnitVerdict | undefined,
  intervals: Intervals,
  jitter: number,
): number {
  const retryMs = Math.min(intervals.retryMs, MAX_RETRY_MS) * (0.8 + 0.2 * jitter);
  const routineMs = intervals.recheckMs * (0.9 + 0.2 * jitter);
  if (newest.verdict === 'fail') {
    const stands = second?.verdict === 'fail' && third?.verdict === 'fail';
    return stands ? routineMs : retryMs;
  }
  // A pass right after a first failure: the two differ, a third decides.
  const undecided = second?.verdict === 'fail' && third?.verdict !== 'fail';
  return undecided ? retryMs : routineMs;
}

/** Whether the next check of a unit is an onboarding: it has no standing pass. */
export function isOnboarding(verdicts: readonly UnitVerdict[], nowMs: number, validMs: number): boolean {
  const newest = verdicts[0];
  return newest === undefined || newest.verdict === 'fail' || nowMs - newest.endedAtMs > validMs;
}
