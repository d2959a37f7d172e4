/**
 * What the receipts of several validators say of one unit: the lower median of each one's newest, so that one voice alone lifts nothing.
 *
 * A machine that fails a decoy and passes the next announced check has shown what it gives to renters: a validator's word is the worse of its
 * newest announced check, its newest decoy, and what its barriers show: a lone check finds a shared device free and takes nothing back.
 */

import { failsAtBarriers } from '../verification/barrier-standing.ts';
import { RECEIPT_VALID_MS } from '../verification/validity.ts';

/** A receipt as far as the verdict needs it. */
export interface UnitReceipt {
  receiptId: string;
  validator: string;
  verdict: 'pass' | 'fail';
  /** Unix milliseconds. */
  endedAtMs: number;
  /** The check ran in a renter's lease: a decoy. */
  paid?: boolean;
  /** It ran at a barrier of the network, not alone. */
  networkBarrier?: boolean;
}

/** The receipt that decides about a unit, or null when none is left that is younger than `validMs`. */
export function decidingReceipt<Kept extends UnitReceipt>(
  receipts: readonly Kept[],
  nowMs: number,
  validMs: number = RECEIPT_VALID_MS,
): Kept | null {
  const fresh = receipts.filter((receipt) => nowMs - receipt.endedAtMs <= validMs);
  const words = [...newestOfEach(fresh)];
  const failed = words.filter((receipt) => receipt.verdict === 'fail');
  // The lower median of fails and passes is a fail as soon as half of the validators say so.
  const decisive =
    failed.length * 2 >= words.length && failed.length > 0 ? failed : words.filter((r) => r.verdict === 'pass');
  return decisive.reduce<Kept | null>(
    (best, next) => (best === null || next.endedAtMs > best.endedAtMs ? next : best),
    null,
  );
}

/** One receipt for each validator: its word. */
function newestOfEach<Kept extends UnitReceipt>(receipts: readonly Kept[]): Iterable<Kept> {
  const newest = new Map<string, Kept>();
  for (const receipt of receipts) {
    const key = `${receipt.paid === true ? 'paid' : 'announced'} ${receipt.validator}`;
    const known = newest.get(key);
    if (known === undefined || receipt.endedAtMs > known.endedAtMs) newest.set(key, receipt);
  }
  const words = new Map<string, Kept>();
  for (const receipt of [...newest.values(), ...failuresAtBarriers(receipts)]) {
    const known = words.get(receipt.validator);
    if (known === undefined || isWorse(receipt, known)) words.set(receipt.validator, receipt);
  }
  return words.values();
}

/** For each validator whose barriers fail the unit, the newest failure at one. */
function failuresAtBarriers<Kept extends UnitReceipt>(receipts: readonly Kept[]): Kept[] {
  const ofEach = Map.groupBy(
    receipts.filter((receipt) => receipt.networkBarrier === true),
    ({ validator }) => validator,
  );
  return [...ofEach.values()]
    .filter(failsAtBarriers)
    .map((seen) =>
      seen
        .filter(({ verdict }) => verdict === 'fail')
        .reduce((one, other) => (other.endedAtMs > one.endedAtMs ? other : one)),
    );
}

function isWorse(receipt: UnitReceipt, known: UnitReceipt): boolean {
  if (receipt.verdict !== known.verdict) return receipt.verdict === 'fail';
  return receipt.endedAtMs > known.endedAtMs;
}
