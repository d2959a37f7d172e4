/** Visits that brought no receipt (busy, refused, unreachable, void): how many in a row, so that the next one is not at once. */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Visit } from '@celium/domain';

/** Visits by machine key. */
export class Visits {
  readonly #database: DatabaseSync;
  // Asked for after every check of every machine.
  readonly #find: StatementSync;
  readonly #forget: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#find = database.prepare('SELECT at_ms AS atMs, count, outcome, detail FROM visits WHERE machine_key = ?');
    this.#forget = database.prepare('DELETE FROM visits WHERE machine_key = ?');
  }

  note(machineKey: string, outcome: string, detail: string, nowMs: number): void {
    this.#database
      .prepare(
        `INSERT INTO visits (machine_key, at_ms, outcome, detail, count) VALUES (?, ?, ?, ?, 1)
         ON CONFLICT (machine_key) DO UPDATE SET at_ms = excluded.at_ms, outcome = excluded.outcome, detail = excluded.detail, count = count + 1`,
      )
      .run(machineKey, nowMs, outcome, detail.slice(0, 500));
  }

  forget(machineKey: string): void {
    this.#forget.run(machineKey);
  }

  /** Forgets machines that were last visited in vain before `beforeMs`. */
  prune(beforeMs: number): void {
    this.#database.prepare('DELETE FROM visits WHERE at_ms < ?').run(beforeMs);
  }

  find(machineKey: string): (Visit & { outcome: string; detail: string }) | null {
    const row = this.#find.get(machineKey) as (Visit & { outcome: string; detail: string }) | undefined;
    return row ?? null;
  }
}
