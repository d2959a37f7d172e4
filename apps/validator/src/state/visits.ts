/** Visits that brought no receipt (busy, refused, unreachable, void): how many in a row, so that the next one is not at once. */

import type { DatabaseSync } from 'node:sqlite';
import type { Visit } from '@celium/domain';

/** Visits by machine key. */
export class Visits {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
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
    this.#database.prepare('DELETE FROM visits WHERE machine_key = ?').run(machineKey);
  }

  find(machineKey: string): (Visit & { outcome: string; detail: string }) | null {
    const row = this.#database
      .prepare('SELECT at_ms AS atMs, count, outcome, detail FROM visits WHERE machine_key = ?')
      .get(machineKey) as (Visit & { outcome: string; detail: string }) | undefined;
    return row ?? null;
  }
}
