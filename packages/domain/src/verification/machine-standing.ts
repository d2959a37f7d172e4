/** What machine receipts say of a machine: each part by the newest words of each validator; one failed part is enough to be worth nothing. */

import { decidingReceipt } from '../offer/verdict.ts';

/** What a machine check looks at. */
export const MACHINE_PARTS = ['storage', 'image', 'ports', 'network', 'location'] as const;
export type MachinePart = (typeof MACHINE_PARTS)[number];

/** `not-tested`: this check did not look, or what came out was no fault of the machine. */
export type PartVerdict = 'pass' | 'fail' | 'not-tested';

/** A machine receipt as far as the rules need it. */
export interface MachineWord {
  receiptId: string;
  validator: string;
  machineKey: string;
  /** Unix milliseconds. */
  endedAtMs: number;
  parts: Readonly<Record<MachinePart, { verdict: PartVerdict }>>;
}

/** A part that was tested longer ago than this says nothing any more; longer than a week, because large deploys are weekly. In milliseconds. */
export const MACHINE_RECEIPT_VALID_MS = 8 * 24 * 3_600_000;

/** What is known of a machine; `verdict` is null when nothing of it was ever tested, which costs it nothing. */
export interface MachineStanding<Word extends MachineWord> {
  verdict: 'pass' | 'fail' | null;
  /** The receipt that decides about each part; null for a part that nobody has tested. */
  parts: Record<MachinePart, Word | null>;
  failed: MachinePart[];
}

/**
 * The standing of one machine. A part fails as soon as half of the validators that tested it say so in their newest words, and stays failed
 * until a later check of that part passes or the words expire; a check that did not test a part does not clear it.
 */
export function machineStanding<Word extends MachineWord>(
  words: readonly Word[],
  nowMs: number,
): MachineStanding<Word> {
  const parts = {} as Record<MachinePart, Word | null>;
  const failed: MachinePart[] = [];
  for (const part of MACHINE_PARTS) {
    const tested = words.flatMap((word) => {
      const { verdict } = word.parts[part];
      const { receiptId, validator, endedAtMs } = word;
      return verdict === 'not-tested' ? [] : [{ receiptId, validator, endedAtMs, verdict, word }];
    });
    const deciding = decidingReceipt(tested, nowMs, MACHINE_RECEIPT_VALID_MS);
    parts[part] = deciding?.word ?? null;
    if (deciding?.verdict === 'fail') failed.push(part);
  }
  const known = MACHINE_PARTS.some((part) => parts[part] !== null);
  return { verdict: failed.length > 0 ? 'fail' : known ? 'pass' : null, parts, failed };
}

/** Keys of the machines that failed: their units score nothing until the next pass. */
export function failedMachines(words: readonly MachineWord[], nowMs: number): Set<string> {
  const byMachine = new Map<string, MachineWord[]>();
  for (const word of words) byMachine.set(word.machineKey, [...(byMachine.get(word.machineKey) ?? []), word]);
  const failed = [...byMachine].filter(([, own]) => machineStanding(own, nowMs).verdict === 'fail');
  return new Set(failed.map(([machineKey]) => machineKey));
}

/** Receipts that still count: those of machines that did not fail. */
export function withoutFailedMachines<Receipt extends { machineKey: string }>(
  receipts: readonly Receipt[],
  failed: ReadonlySet<string>,
): Receipt[] {
  return receipts.filter((receipt) => !failed.has(receipt.machineKey));
}
