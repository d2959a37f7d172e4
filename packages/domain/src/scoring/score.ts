/** What receipts are worth: a pure function from verdicts to a weight row. Thin until the incentive engine replaces its sum. */

import { isCpuUnit } from '../ids.ts';

/** One receipt as far as scores need it. */
export interface ScoredReceipt {
  hotkey: string;
  unit: string;
  verdict: 'pass' | 'fail';
  /** When the check ended, unix milliseconds. */
  endedAtMs: number;
  /** The check ran in a renter's lease: a decoy. */
  paid?: boolean;
}

/** A receipt older than this says nothing any more, in milliseconds. */
export const RECEIPT_VALID_MS = 24 * 3_600_000;

/**
 * Score per hotkey: the number of its units whose newest receipt passed and is fresh, and whose newest decoy of the last day did not fail.
 *
 * A GPU counts once in the network: while two hotkeys have fresh passes for one UUID, it counts for neither. A CPU unit is named by its
 * provider, so the same name under two hotkeys means two machines.
 */
export function scoreHotkeys(receipts: readonly ScoredReceipt[], nowMs: number): Map<string, number> {
  const newest = new Map<string, ScoredReceipt>();
  const decoys = new Map<string, ScoredReceipt>();
  const keyOf = (receipt: ScoredReceipt): string => `${receipt.hotkey} ${receipt.unit}`;
  for (const receipt of receipts) {
    const kept = receipt.paid === true ? decoys : newest;
    const known = kept.get(keyOf(receipt));
    if (known === undefined || receipt.endedAtMs > known.endedAtMs) kept.set(keyOf(receipt), receipt);
  }
  const isFresh = (receipt: ScoredReceipt): boolean => nowMs - receipt.endedAtMs <= RECEIPT_VALID_MS;
  const failedDecoy = (receipt: ScoredReceipt): boolean => {
    const decoy = decoys.get(keyOf(receipt));
    return decoy !== undefined && decoy.verdict === 'fail' && isFresh(decoy);
  };
  const passed = [...newest.values()].filter(
    (receipt) => receipt.verdict === 'pass' && isFresh(receipt) && !failedDecoy(receipt),
  );
  const claims = new Map<string, number>();
  for (const { unit } of passed) claims.set(unit, (claims.get(unit) ?? 0) + 1);
  const scores = new Map<string, number>();
  for (const { hotkey, unit } of passed) {
    if (!isCpuUnit(unit) && claims.get(unit) !== 1) continue;
    scores.set(hotkey, (scores.get(hotkey) ?? 0) + 1);
  }
  return scores;
}

/** Scores as a weight row: UID and weight, the largest weight 65,535 (the chain's u16 maximum), sorted by UID, zeros left out. */
export function weightRow(
  scores: ReadonlyMap<string, number>,
  uidOfHotkey: ReadonlyMap<string, number>,
): Array<[uid: number, weight: number]> {
  const max = Math.max(0, ...scores.values());
  const row: Array<[number, number]> = [];
  for (const [hotkey, score] of scores) {
    const uid = uidOfHotkey.get(hotkey);
    const weight = max === 0 ? 0 : Math.floor((score * 65_535) / max);
    if (uid !== undefined && weight > 0) row.push([uid, weight]);
  }
  return row.sort((a, b) => a[0] - b[0]);
}
