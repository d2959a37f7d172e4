/** The registry of GPUs as this validator knows it: manifests in force, its own receipts, the rule of domain; every change of a standing is kept. */

import type { DatabaseSync } from 'node:sqlite';
import {
  followedMachines,
  isCpuUnit,
  RECEIPT_VALID_MS,
  standingsOfUnits,
  UNIT_HISTORY_MS,
  type ListedUnit,
  type UnitCheck,
  type UnitStanding,
} from '@celium/domain';
import type { ManifestDirectory } from '../discovery/manifest-directory.ts';
import { inTransaction } from './database.ts';

/** A change of what the registry says of one GPU, as it is kept. */
export interface StandingChange {
  atMs: number;
  unit: string;
  standing: UnitStanding;
}

/** The most receipts of one contested GPU that are read: a month of checks of several registrations. */
const MAX_CHECKS_PER_UNIT = 10_000;

const COLUMNS = `unit, hotkey, machine_key AS machineKey, receipt_id AS receiptId, verdict,
  receipt ->> '$.body.validator' AS validator, receipt ->> '$.body.barrierId' AS barrierId`;

/** Decoys run at times of their own, in a renter's lease: they lower scores and move no GPU. */
const ANNOUNCED = `json_extract(receipt, '$.body.lease') IS NOT 'paid'`;

/** Standings of GPUs. */
export class UnitRegistry {
  readonly #database: DatabaseSync;
  readonly #directory: ManifestDirectory;
  #followed = new Map<string, string>();

  constructor(database: DatabaseSync, directory: ManifestDirectory) {
    this.#database = database;
    this.#directory = directory;
  }

  /** Every GPU of every manifest in force. */
  listed(): ListedUnit[] {
    return this.#directory
      .machines()
      .flatMap(({ hotkey, machine: { machineKey, units } }) =>
        units.filter((unit) => !isCpuUnit(unit)).map((unit) => ({ unit, hotkey, machineKey })),
      );
  }

  /** The standing of every listed GPU now, or of one. */
  standings(nowMs: number, only?: string): Map<string, UnitStanding> {
    const newest = this.#newestChecks(nowMs - RECEIPT_VALID_MS, only);
    const passes = new Map<string, number>();
    for (const { unit, verdict } of newest) if (verdict === 'pass') passes.set(unit, (passes.get(unit) ?? 0) + 1);
    // Only where several have passed does it matter who began when, and who was challenged beside whom.
    const several = [...passes].filter(([, count]) => count > 1).map(([unit]) => unit);
    const history = several.flatMap((unit) => this.#checksOf(unit, nowMs - UNIT_HISTORY_MS));
    const single = newest.filter(({ unit }) => (passes.get(unit) ?? 0) <= 1);
    const listed = this.listed().filter(({ unit }) => only === undefined || unit === only);
    return standingsOfUnits(listed, [...single, ...history], nowMs);
  }

  /** Works all standings out anew and keeps what has changed since the last time. Answers the changes. */
  refresh(nowMs: number): StandingChange[] {
    const known = this.#kept();
    const standings = this.standings(nowMs);
    const changes: StandingChange[] = [];
    for (const [unit, standing] of standings) {
      const before = known.get(unit);
      // What was only ever listed is not kept: anybody can list anything, at no cost.
      if (before === undefined ? standing.state === 'unproven' : sameStanding(before, standing)) continue;
      changes.push({ atMs: nowMs, unit, standing });
    }
    for (const [unit, before] of known) {
      if (standings.has(unit) || before.state === 'unproven') continue;
      changes.push({ atMs: nowMs, unit, standing: { state: 'unproven', rivals: [] } });
    }
    this.#keep(changes);
    this.#followed = followedMachines(standings);
    return changes;
  }

  /** The machine whose assignment this one follows, by the last refresh: itself, unless another claims one of its GPUs. */
  followedBy(machineKey: string): string {
    return this.#followed.get(machineKey) ?? machineKey;
  }

  /** GPUs that count for nobody because several passed for them, by the last refresh; at most `limit`. */
  conflicts(limit: number): StandingChange[] {
    const rows = this.#database
      .prepare(
        `SELECT at_ms AS atMs, unit, standing FROM unit_standings WHERE state IN ('contested', 'spoofed') ORDER BY unit LIMIT ?`,
      )
      .all(limit) as unknown as KeptRow[];
    return rows.map(changeOf);
  }

  /** What the registry has said of one GPU, newest first. */
  history(unit: string, limit: number): StandingChange[] {
    const rows = this.#database
      .prepare(`SELECT at_ms AS atMs, unit, standing FROM unit_history WHERE unit = ? ORDER BY id DESC LIMIT ?`)
      .all(unit, limit) as unknown as KeptRow[];
    return rows.map(changeOf);
  }

  /** The newest receipt of every registration, as far as it is fresh. */
  #newestChecks(sinceMs: number, only?: string): UnitCheck[] {
    const which = only === undefined ? `unit LIKE 'GPU-%'` : 'unit = ?';
    return this.#database
      .prepare(
        `SELECT ${COLUMNS}, max(ended_at_ms) AS endedAtMs FROM receipts
         WHERE ended_at_ms >= ? AND ${which} AND ${ANNOUNCED} GROUP BY unit, hotkey, machine_key`,
      )
      .all(sinceMs, ...(only === undefined ? [] : [only])) as unknown as UnitCheck[];
  }

  #checksOf(unit: string, sinceMs: number): UnitCheck[] {
    return this.#database
      .prepare(
        `SELECT ${COLUMNS}, ended_at_ms AS endedAtMs FROM receipts
         WHERE unit = ? AND ended_at_ms >= ? AND ${ANNOUNCED} ORDER BY ended_at_ms DESC LIMIT ${MAX_CHECKS_PER_UNIT}`,
      )
      .all(unit, sinceMs) as unknown as UnitCheck[];
  }

  #kept(): Map<string, UnitStanding> {
    const rows = this.#database
      .prepare('SELECT at_ms AS atMs, unit, standing FROM unit_standings')
      .all() as unknown as KeptRow[];
    return new Map(rows.map((row) => [row.unit, changeOf(row).standing]));
  }

  #keep(changes: readonly StandingChange[]): void {
    if (changes.length === 0) return;
    inTransaction(this.#database, () => {
      const now = this.#database.prepare(
        'INSERT OR REPLACE INTO unit_standings (unit, state, at_ms, standing) VALUES (?, ?, ?, ?)',
      );
      const ever = this.#database.prepare('INSERT INTO unit_history (unit, at_ms, standing) VALUES (?, ?, ?)');
      for (const { atMs, unit, standing } of changes) {
        const text = JSON.stringify(standing);
        now.run(unit, standing.state, atMs, text);
        ever.run(unit, atMs, text);
      }
    });
  }
}

interface KeptRow {
  atMs: number;
  unit: string;
  standing: string;
}

function changeOf({ atMs, unit, standing }: KeptRow): StandingChange {
  return { atMs, unit, standing: JSON.parse(standing) as UnitStanding };
}

/** Same state and holder. A rival that comes or goes without a pass is no change; one that proves itself is. */
function sameStanding(a: UnitStanding, b: UnitStanding): boolean {
  if (a.state !== b.state) return false;
  if (a.state !== 'held' || b.state !== 'held') return true;
  return a.holder.hotkey === b.holder.hotkey && a.holder.machineKey === b.holder.machineKey;
}
