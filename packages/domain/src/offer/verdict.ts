/** What the receipts of several validators say of one unit: the lower median of each one's newest, so that one voice alone lifts nothing. */

import { RECEIPT_VALID_MS } from '../scoring/score.ts';

/** A receipt as far as the verdict needs it. */
export interface UnitReceipt {
  receiptId: string;
  validator: string;
  verdict: 'pass' | 'fail';
  /** Unix milliseconds. */
  endedAtMs: number;
}

/** The receipt that decides about a unit, or null when no valid one is left. */
export function decidingReceipt<Kept extends UnitReceipt>(receipts: readonly Kept[], nowMs: number): Kept | null {
  const newest = new Map<string, Kept>();
  for (const receipt of receipts) {
    if (nowMs - receipt.endedAtMs > RECEIPT_VALID_MS) continue;
    const known = newest.get(receipt.validator);
    if (known === undefined || receipt.endedAtMs > known.endedAtMs) newest.set(receipt.validator, receipt);
  }
  const failed = [...newest.values()].filter((receipt) => receipt.verdict === 'fail');
  // The lower median of fails and passes is a fail as soon as half of the validators say so.
  const decisive =
    failed.length * 2 >= newest.size && failed.length > 0
      ? failed
      : [...newest.values()].filter((r) => r.verdict === 'pass');
  return decisive.reduce<Kept | null>(
    (best, next) => (best === null || next.endedAtMs > best.endedAtMs ? next : best),
    null,
  );
}
