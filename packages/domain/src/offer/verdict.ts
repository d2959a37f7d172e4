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
  const words = wordsOf(fresh);
  const failed = words.filter((receipt) => receipt.verdict === 'fail');
  // The lower median of fails and passes is a fail as soon as half of the validators say so.
  const decisive =
    failed.length * 2 >= words.length && failed.length > 0 ? failed : words.filter((r) => r.verdict === 'pass');
  return newestOf(decisive);
}

/** One receipt for each validator: its word. */
function wordsOf<Kept extends UnitReceipt>(receipts: readonly Kept[]): Kept[] {
  return [...Map.groupBy(receipts, ({ validator }) => validator).values()].flatMap((own) => wordOfValidator(own) ?? []);
}

/**
 * The receipt that is one validator's word on a unit, from all its receipts that still count; null when it has none. It is the worst of its newest announced
 * check, its newest decoy, and the newest failure at a barrier where its barriers fail the unit. A decoy alone lifts nothing. Markets, the registry of
 * GPUs and scores go by this word.
 *
 * It is stricter than the retry rule (`standingOf`) while that leaves a first failure open, and as soon as no question is open both say the same.
 */
export function wordOfValidator<Kept extends Omit<UnitReceipt, 'receiptId' | 'validator'>>(
  receipts: readonly Kept[],
): Kept | null {
  const announced = newestOf(receipts.filter(({ paid }) => paid !== true));
  const decoy = newestOf(receipts.filter(({ paid }) => paid === true));
  const barriers = receipts.filter(({ networkBarrier }) => networkBarrier === true);
  const atBarriers = failsAtBarriers(barriers) ? newestOf(barriers.filter(({ verdict }) => verdict === 'fail')) : null;
  if (announced === null && decoy?.verdict !== 'fail') return null;
  return [announced, decoy, atBarriers].reduce((word, other) =>
    word === null || (other !== null && isWorse(other, word)) ? other : word,
  );
}

function newestOf<Kept extends { endedAtMs: number }>(receipts: readonly Kept[]): Kept | null {
  return receipts.reduce<Kept | null>(
    (newest, one) => (newest === null || one.endedAtMs > newest.endedAtMs ? one : newest),
    null,
  );
}

type Judged = Pick<UnitReceipt, 'verdict' | 'endedAtMs'>;

function isWorse(receipt: Judged, known: Judged): boolean {
  if (receipt.verdict !== known.verdict) return receipt.verdict === 'fail';
  return receipt.endedAtMs > known.endedAtMs;
}
