/** When each machine's units are due: worked out from the store once after each visit, kept in memory for the machines that are listed. */

import {
  firstCheckAfterMs,
  nextCheckAtMs,
  type Intervals,
  type UnitHistory,
  type UnitVerdict,
  type Visit,
} from '@celium/domain';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { RandomBytes } from '../ports.ts';

/** What due times are worked out from. */
export interface DuePorts {
  receipts: { verdicts(machineKey: string, limit: number): UnitVerdict[] };
  visits: { find(machineKey: string): Visit | null };
  intervals: Intervals;
  randomBytes: RandomBytes;
}

/** How a machine falls to us: our place, since when (unix ms), and when a check after a release is due, if one is. */
export interface DueTerms {
  place: number;
  sinceMs: number;
  releaseDueAtMs: number | null;
}

/** A unit that is due within this share of the interval is taken along, so that all units of a machine stay together. */
const TAKE_ALONG_SHARE = 0.1;
const VERDICTS_PER_UNIT = 4;

interface Kept {
  /** When this process first saw the machine, unix ms. */
  knownAtMs: number;
  /** The machine as its manifest listed it when the due times were worked out. */
  machine: KnownMachine['machine'];
  terms: DueTerms;
  /** Due time of each unit, unix ms; null until it is worked out. */
  due: Map<string, number> | null;
  /** The earliest of them. */
  atMs: number;
  /** Between which moments the machine's next check is drawn, unix ms: all that its provider may know. */
  window: { fromMs: number; untilMs: number } | null;
}

/** Due times by machine key. */
export class DueTimes {
  readonly #ports: DuePorts;
  readonly #kept = new Map<string, Kept>();

  constructor(ports: DuePorts) {
    this.#ports = ports;
  }

  /** Which units are due now, and since when the first of them is; null for none. */
  find(known: KnownMachine, terms: DueTerms, nowMs: number): { units: string[]; atMs: number } | null {
    const kept = this.#keep(known, terms, nowMs);
    const due = kept.due ?? this.#work(known, kept);
    // This is asked of thousands of machines four times a second, and nearly always the answer is no.
    if (kept.atMs > nowMs) return null;
    const alongMs = nowMs + this.#ports.intervals.recheckMs * TAKE_ALONG_SHARE;
    return { units: known.machine.units.filter((unit) => (due.get(unit) ?? 0) <= alongMs), atMs: kept.atMs };
  }

  /** The machine was visited: its due times are worked out anew when they are next asked for. */
  forget(machineKey: string): void {
    const kept = this.#kept.get(machineKey);
    if (kept !== undefined) kept.due = null;
  }

  /** Between which moments a machine's next check comes, or null when that is not worked out. The moment itself is nobody's to know. */
  windowOf(machineKey: string): { fromMs: number; untilMs: number } | null {
    return this.#kept.get(machineKey)?.window ?? null;
  }

  /** Lets go of machines that are listed no more. */
  retain(listed: readonly KnownMachine[]): void {
    if (this.#kept.size <= listed.length) return;
    const keys = new Set(listed.map((known) => known.machine.machineKey));
    for (const key of this.#kept.keys()) if (!keys.has(key)) this.#kept.delete(key);
  }

  /** Number of machines in memory. */
  get size(): number {
    return this.#kept.size;
  }

  #keep(known: KnownMachine, terms: DueTerms, nowMs: number): Kept {
    const key = known.machine.machineKey;
    const kept = this.#kept.get(key);
    if (kept === undefined) {
      const made = { knownAtMs: nowMs, machine: known.machine, terms, due: null, atMs: 0, window: null };
      this.#kept.set(key, made);
      return made;
    }
    // An epoch that leaves our place as it was draws no interval anew.
    const { place, releaseDueAtMs } = kept.terms;
    if (place !== terms.place || releaseDueAtMs !== terms.releaseDueAtMs || kept.machine !== known.machine)
      kept.due = null;
    kept.terms = terms;
    kept.machine = known.machine;
    return kept;
  }

  #work(known: KnownMachine, kept: Kept): Map<string, number> {
    const { receipts, visits, intervals, randomBytes } = this.#ports;
    const { knownAtMs, terms } = kept;
    const { machineKey, units } = known.machine;
    const verdicts = receipts.verdicts(machineKey, VERDICTS_PER_UNIT * units.length);
    const visit = visits.find(machineKey);
    const afterMs = firstCheckAfterMs(terms.place) ?? 0;
    const firstAtMs = afterMs === 0 ? 0 : Math.max(knownAtMs, terms.sinceMs) + afterMs;
    // One draw for the whole machine: its units are to stay together.
    const jitter = (randomBytes(1)[0] ?? 0) / 256;
    const histories = units.map((unit): [string, UnitHistory] => {
      const own = verdicts.filter((verdict) => verdict.unit === unit);
      return [unit, { verdicts: own, visit, firstAtMs, releaseDueAtMs: terms.releaseDueAtMs }];
    });
    const earliestMs = (draw: number): number =>
      Math.min(...histories.map(([, history]) => nextCheckAtMs(history, intervals, draw)));
    const due = new Map(histories.map(([unit, history]) => [unit, nextCheckAtMs(history, intervals, jitter)]));
    kept.due = due;
    kept.atMs = Math.min(...due.values());
    kept.window = { fromMs: earliestMs(0), untilMs: earliestMs(1) };
    return due;
  }
}
