/** What receipts are worth: a pure function from verdicts to a weight row. Thin until the incentive engine replaces its sum. */

/** One receipt as far as scores need it. */
export interface ScoredReceipt {
  hotkey: string;
  unit: string;
  verdict: 'pass' | 'fail';
  /** When the check ended, unix milliseconds. */
  endedAtMs: number;
}

/** A receipt older than this says nothing any more, in milliseconds. */
export const RECEIPT_VALID_MS = 24 * 3_600_000;

/** Score per hotkey: the number of its units whose newest receipt passed and is fresh. */
export function scoreHotkeys(receipts: readonly ScoredReceipt[], nowMs: number): Map<string, number> {
  const newest = new Map<string, ScoredReceipt>();
  for (const receipt of receipts) {
    const known = newest.get(receipt.unit);
    if (known === undefined || receipt.endedAtMs > known.endedAtMs) newest.set(receipt.unit, receipt);
  }
  const scores = new Map<string, number>();
  for (const receipt of newest.values()) {
    if (receipt.verdict !== 'pass' || nowMs - receipt.endedAtMs > RECEIPT_VALID_MS) continue;
    scores.set(receipt.hotkey, (scores.get(receipt.hotkey) ?? 0) + 1);
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
