/** The check before a hand-over: when a renter's units are checked once more, how long that may take, and what its outcome means. */

import { weakestGpuClass } from '../machine/classify-gpu.ts';

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

/**
 * Whether units are checked before they are handed over. A fresh receipt costs the renter no waiting.
 *
 * @param offer its class, and when the unit that was verified longest ago was
 */
export function needsCheckBeforeHandOver(
  offer: { class: string | null; verifiedAtMs: number | null },
  nowMs: number,
  allowedMs: number = receiptAgeAllowedMs(offer.class),
): boolean {
  return offer.verifiedAtMs === null || nowMs - offer.verifiedAtMs > allowedMs;
}

/** What a check before a hand-over comes to; `none` when no validator made one. */
export type HandOverVerdict = 'pass' | 'fail' | 'none';

/** A receipt of such a check, as far as it decides. */
export interface HandOverReceipt {
  unit: string;
  verdict: 'pass' | 'fail';
  /** What was measured. */
  class: string;
  /** When the check began, by its validator's clock. */
  startedAtMs: number;
  /** When the market took the receipt in, by the market's own. */
  receivedAtMs: number;
}

/** How far a validator's clock may be behind the market's for its check to count as one after the rent, in milliseconds. */
const CLOCKS_APART_MS = 30_000;

/**
 * Whether a receipt is of the check that a rent made necessary: it came in after the rent, and its check began no earlier than clocks may differ. One that was
 * already under way counts too: neither machine nor validator knew of the rent when it began.
 */
export function isOfHandOver(
  receipt: Pick<HandOverReceipt, 'startedAtMs' | 'receivedAtMs'>,
  rentedAtMs: number,
): boolean {
  return receipt.receivedAtMs >= rentedAtMs && receipt.startedAtMs >= rentedAtMs - CLOCKS_APART_MS;
}

/**
 * The outcome for the units of a rental: one failed unit fails it, a unit that measures weaker than the class that was rented as well, and it
 * takes a pass of each for a pass. Receipts from before the rent say nothing about it.
 */
export function judgeHandOver(
  units: readonly string[],
  receipts: readonly HandOverReceipt[],
  rented: { atMs: number; class: string | null },
): HandOverVerdict {
  const fresh = receipts.filter((receipt) => isOfHandOver(receipt, rented.atMs) && units.includes(receipt.unit));
  if (fresh.some((receipt) => receipt.verdict === 'fail' || !bearsClass(receipt.class, rented.class))) return 'fail';
  return units.every((unit) => fresh.some((receipt) => receipt.unit === unit)) ? 'pass' : 'none';
}

function bearsClass(measured: string, rented: string | null): boolean {
  return rented === null || weakestGpuClass([measured, rented]) === rented;
}
