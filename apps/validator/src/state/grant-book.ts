/** Signed grants that this validator has seen, its own and those in busy refusals, and the machine keys that were convicted by them. */

import type { DatabaseSync } from 'node:sqlite';
import type { DoubleGrantFile, Signed } from '@celium/contract';
import { FRAUD_STANDS_MS, PUBLISHED_WITHIN_MS } from '@celium/domain';

/** Grants of one machine key that are kept, the newest. */
const KEPT_PER_MACHINE = 32;
/** Machines that are examined in one turn. */
const MACHINES_PER_TURN = 16;

export class GrantBook {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Remembers a grant whose signature was checked. */
  note(machineKey: string, grant: Signed<'grant'>, nowMs: number): void {
    this.#database
      .prepare('INSERT OR IGNORE INTO seen_grants (machine_key, lease_id, seen_at_ms, grant) VALUES (?, ?, ?, ?)')
      .run(machineKey, grant.body.leaseId, nowMs, JSON.stringify(grant));
    this.#database
      .prepare(
        `DELETE FROM seen_grants WHERE machine_key = ?1 AND lease_id NOT IN (
           SELECT lease_id FROM seen_grants WHERE machine_key = ?1 ORDER BY seen_at_ms DESC, lease_id LIMIT ${KEPT_PER_MACHINE})`,
      )
      .run(machineKey);
  }

  /** Machine keys with grants that are old enough to be in their logs and were not held against them yet; a few, drawn anew each time. */
  unexamined(nowMs: number): string[] {
    const rows = this.#database
      .prepare(
        `SELECT machine_key AS machineKey FROM seen_grants WHERE examined = 0 AND seen_at_ms <= ?
         GROUP BY machine_key ORDER BY random() LIMIT ${MACHINES_PER_TURN}`,
      )
      .all(nowMs - PUBLISHED_WITHIN_MS) as unknown as Array<{ machineKey: string }>;
    return rows.map(({ machineKey }) => machineKey);
  }

  /** Grants of a machine key that are old enough to be in its log. */
  grantsOf(machineKey: string, nowMs: number): Array<Signed<'grant'>> {
    const rows = this.#database
      .prepare('SELECT grant FROM seen_grants WHERE machine_key = ? AND seen_at_ms <= ? ORDER BY seen_at_ms')
      .all(machineKey, nowMs - PUBLISHED_WITHIN_MS) as unknown as Array<{ grant: string }>;
    return rows.map(({ grant }) => JSON.parse(grant) as Signed<'grant'>);
  }

  noteExamined(machineKey: string, nowMs: number): void {
    this.#database
      .prepare('UPDATE seen_grants SET examined = 1 WHERE machine_key = ? AND seen_at_ms <= ?')
      .run(machineKey, nowMs - PUBLISHED_WITHIN_MS);
  }

  /** Keeps the evidence. The first of a machine key stays while it stands. */
  convict(machineKey: string, file: DoubleGrantFile, nowMs: number): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO double_grants (machine_key, at_ms, file) VALUES (?, ?, ?)')
      .run(machineKey, nowMs, JSON.stringify(file));
  }

  /** The evidence against a machine key, while it stands. */
  evidence(machineKey: string, nowMs: number): DoubleGrantFile | null {
    const row = this.#database
      .prepare('SELECT file FROM double_grants WHERE machine_key = ? AND at_ms >= ?')
      .get(machineKey, nowMs - FRAUD_STANDS_MS) as { file: string } | undefined;
    return row === undefined ? null : (JSON.parse(row.file) as DoubleGrantFile);
  }

  /** Machine keys whose fraud stands. */
  convicted(nowMs: number): Set<string> {
    const rows = this.#database
      .prepare('SELECT machine_key AS machineKey FROM double_grants WHERE at_ms >= ?')
      .all(nowMs - FRAUD_STANDS_MS) as unknown as Array<{ machineKey: string }>;
    return new Set(rows.map(({ machineKey }) => machineKey));
  }
}
