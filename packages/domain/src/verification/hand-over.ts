/** The check before a hand-over: when a renter's units are checked once more, how long that may take, and what its outcome means. */

/** How long a renter waits for such a check at the most, in milliseconds; after it the rental goes on without one. */
export const HAND_OVER_CHECK_MS = 90_000;

const HOUR_MS = 3_600_000;
/** Dear cards are worth the swap: their receipts may be this old, in milliseconds. An idle machine is checked every two hours anyway. */
const DATACENTRE_AGE_MS = 2.5 * HOUR_MS;
const GPU_AGE_MS = 4 * HOUR_MS;
/** A CPU's speed identifies nothing, so a fresh receipt says little more than an old one. */
const CPU_AGE_MS = 6 * HOUR_MS;
const DATACENTRE = /^(A100|H100|H200|H20|B200|B300|GB200|GB300|L40S)/;

/** How old the newest receipt of a class may be when a unit is handed over, in milliseconds. */
export function receiptAgeAllowedMs(gpuClass: string | null): number {
  if (gpuClass === 'CPU') return CPU_AGE_MS;
  return gpuClass === null || DATACENTRE.test(gpuClass) ? DATACENTRE_AGE_MS : GPU_AGE_MS;
}

/** Whether units are checked before they are handed over. A fresh receipt costs the renter no waiting. */
export function needsCheckBeforeHandOver(
  offer: { class: string | null; verifiedAtMs: number | null },
  nowMs: number,
): boolean {
  return offer.verifiedAtMs === null || nowMs - offer.verifiedAtMs > receiptAgeAllowedMs(offer.class);
}

/** A receipt of such a check, as far as it decides. */
export interface HandOverReceipt {
  unit: string;
  verdict: 'pass' | 'fail';
  startedAtMs: number;
}

/**
 * The outcome for the units of a rental: one failed unit fails it, and it takes a pass of each for a pass. Receipts of checks that began before
 * the rent say nothing about it.
 */
export function judgeHandOver(
  units: readonly string[],
  receipts: readonly HandOverReceipt[],
  rentedAtMs: number,
): 'pass' | 'fail' | 'none' {
  const fresh = receipts.filter((receipt) => receipt.startedAtMs >= rentedAtMs && units.includes(receipt.unit));
  if (fresh.some((receipt) => receipt.verdict === 'fail')) return 'fail';
  return units.every((unit) => fresh.some((receipt) => receipt.unit === unit)) ? 'pass' : 'none';
}
