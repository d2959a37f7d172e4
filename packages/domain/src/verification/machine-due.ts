/** When a machine's storage, ports, network and location are looked at next: arithmetic on what is known of it. */

/** Intervals of machine checks, in milliseconds. */
export interface MachineIntervals {
  /** From a pass to the next. */
  recheckMs: number;
  /** From a failure to its repetition. */
  retryMs: number;
}

/** After so many failures in a row the routine interval runs. */
const RETRIES = 3;
/** From a visit that brought nothing (busy, unreachable) to the next, doubling. */
const REVISIT_MS = 60_000;

/**
 * When the next machine check is due, unix ms; 0 for at once. `jitter` in [0, 1) spreads machines over a fifth of the interval.
 *
 * @param newest the last machine receipts of this validator on the machine, newest first
 */
export function nextMachineCheckAtMs(
  newest: readonly { verdict: 'pass' | 'fail'; endedAtMs: number }[],
  lastVisit: { atMs: number; count: number } | null,
  intervals: MachineIntervals,
  jitter: number,
): number {
  const [last] = newest;
  const passedAt = newest.findIndex((receipt) => receipt.verdict === 'pass');
  const failures = passedAt < 0 ? newest.length : passedAt;
  const retrying = failures > 0 && failures <= RETRIES;
  const intervalMs = (retrying ? intervals.retryMs : intervals.recheckMs) * (0.9 + 0.2 * jitter);
  const dueMs = last === undefined ? 0 : last.endedAtMs + intervalMs;
  if (lastVisit === null || (last !== undefined && last.endedAtMs > lastVisit.atMs)) return dueMs;
  const pauseMs = Math.min(REVISIT_MS * 2 ** Math.min(lastVisit.count - 1, 10), intervals.recheckMs);
  return Math.max(dueMs, lastVisit.atMs + pauseMs);
}
