/** The newest inventory of each machine, with the alarms that it raised when it came. */

import type { DatabaseSync } from 'node:sqlite';
import { canonicalJson, type Signed } from '@celium/contract';
import type { HostAlarm } from '@celium/domain';

/** An inventory as it is kept. */
export interface KeptInventory {
  receivedAtMs: number;
  signed: Signed<'inventory'>;
  alarms: HostAlarm[];
}

/** Inventories by machine key. */
export class Inventories {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  keep(machineKey: string, { receivedAtMs, signed, alarms }: KeptInventory): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO inventories (machine_key, received_at_ms, document, alarms) VALUES (?, ?, ?, ?)')
      .run(machineKey, receivedAtMs, canonicalJson(signed), JSON.stringify(alarms));
  }

  find(machineKey: string): KeptInventory | null {
    const row = this.#database
      .prepare('SELECT received_at_ms AS receivedAtMs, document, alarms FROM inventories WHERE machine_key = ?')
      .get(machineKey) as { receivedAtMs: number; document: string; alarms: string } | undefined;
    if (row === undefined) return null;
    const signed = JSON.parse(row.document) as Signed<'inventory'>;
    return { receivedAtMs: row.receivedAtMs, signed, alarms: JSON.parse(row.alarms) as HostAlarm[] };
  }

  /** Machines whose newest inventory raised alarms, at most `limit`. */
  alarming(limit: number): Array<{ machineKey: string; receivedAtMs: number; alarms: HostAlarm[] }> {
    const rows = this.#database
      .prepare(
        `SELECT machine_key AS machineKey, received_at_ms AS receivedAtMs, alarms FROM inventories
         WHERE alarms <> '[]' ORDER BY received_at_ms DESC LIMIT ?`,
      )
      .all(limit) as unknown as Array<{ machineKey: string; receivedAtMs: number; alarms: string }>;
    return rows.map(({ alarms, ...row }) => ({ ...row, alarms: JSON.parse(alarms) as HostAlarm[] }));
  }

  /** The alarms of a machine's newest inventory; null before the first. Cheaper than the whole. */
  alarmsOf(machineKey: string): HostAlarm[] | null {
    const row = this.#database.prepare('SELECT alarms FROM inventories WHERE machine_key = ?').get(machineKey) as
      | { alarms: string }
      | undefined;
    return row === undefined ? null : (JSON.parse(row.alarms) as HostAlarm[]);
  }
}
