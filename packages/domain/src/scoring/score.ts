/** What receipts are worth: a pure function from verdicts to a weight row. Thin until the incentive engine replaces its sum. */

import { isCpuUnit } from '../ids.ts';
import { wordOfValidator } from '../offer/verdict.ts';
import { holdsUnit, type UnitStanding } from '../verification/unit-registry.ts';
import { RECEIPT_VALID_MS } from '../verification/validity.ts';

/** One receipt as far as scores need it. */
export interface ScoredReceipt {
  hotkey: string;
  machineKey: string;
  unit: string;
  verdict: 'pass' | 'fail';
  /** When the check ended, unix milliseconds. */
  endedAtMs: number;
  /** The check ran in a renter's lease: a decoy. */
  paid?: boolean;
  /** It ran at a barrier of the network, not alone. */
  networkBarrier?: boolean;
}

/**
 * Score per hotkey: the number of its units on which this validator's word of the last day is a pass (`wordOfValidator`, the word that markets go by too).
 * `receipts` are those of one validator.
 *
 * A GPU counts once in the network or not at all: for the registration that holds it by `standings`. A CPU unit is named by its provider,
 * so the same name under two hotkeys means two machines.
 */
export function scoreHotkeys(
  receipts: readonly ScoredReceipt[],
  standings: ReadonlyMap<string, UnitStanding>,
  nowMs: number,
): Map<string, number> {
  const keyOf = ({ hotkey, machineKey, unit }: ScoredReceipt): string =>
    isCpuUnit(unit) ? `${hotkey} ${unit}` : `${hotkey} ${machineKey} ${unit}`;
  const fresh = receipts.filter((receipt) => nowMs - receipt.endedAtMs <= RECEIPT_VALID_MS);
  const words = [...Map.groupBy(fresh, keyOf).values()].flatMap((own) => wordOfValidator(own) ?? []);
  const passed = words.filter(({ verdict }) => verdict === 'pass');
  const scores = new Map<string, number>();
  for (const receipt of passed) {
    if (!isCpuUnit(receipt.unit) && !holdsUnit(standings.get(receipt.unit), receipt)) continue;
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
