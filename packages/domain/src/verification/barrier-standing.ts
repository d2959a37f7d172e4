/**
 * What the barriers of the network say of a unit. They are a series of their own: a check that is made alone finds a shared device free, so it can take
 * nothing back that a barrier has shown.
 */

/** The newest barriers that count, and the failures among them that decide. */
export const BARRIERS_THAT_COUNT = 3;
const FAILURES = 2;

/** A receipt of a check at a barrier of the network. */
export interface BarrierReceipt {
  verdict: 'pass' | 'fail';
  /** Unix milliseconds. */
  endedAtMs: number;
}

/**
 * Whether a unit failed two of the three newest barriers at which one validator saw it.
 *
 * Of two registrations that share a device at least one fails at every barrier, so in any three barriers that both were in one of them has failed twice: at no
 * time do both count. An honest machine that fails a share e of its checks for no fault of its own is hit with a chance of less than 3 e squared.
 */
export function failsAtBarriers(receipts: readonly BarrierReceipt[]): boolean {
  const newest = receipts.toSorted((one, other) => other.endedAtMs - one.endedAtMs).slice(0, BARRIERS_THAT_COUNT);
  return newest.filter(({ verdict }) => verdict === 'fail').length >= FAILURES;
}
