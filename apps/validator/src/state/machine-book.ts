/** Machine receipts, the ports that were reached, and large deploys: what a validator remembers of machine checks. */

import type { DatabaseSync } from 'node:sqlite';
import { canonicalJson, type Signed } from '@celium/contract';
import { MACHINE_PARTS, type LastDeploy, type MachineWord, type TriedPort } from '@celium/domain';
import { inTransaction } from './database.ts';
import type { MarketAddress, ReceiptBook } from './receipt-book.ts';

/** One machine receipt in short, for schedules. */
export interface MachineVerdict {
  verdict: 'pass' | 'fail';
  endedAtMs: number;
}

/** Ports are forgotten after this: a range that was open a month ago says nothing. */
const REMEMBER_PORTS_MS = 30 * 24 * 3_600_000;

export class MachineBook {
  readonly #database: DatabaseSync;
  readonly #receipts: ReceiptBook;

  constructor(database: DatabaseSync, receipts: ReceiptBook) {
    this.#database = database;
    this.#receipts = receipts;
  }

  /** Stores one machine receipt, appends it to the log and puts it into the outbox of every market. */
  add(receipt: Signed<'machine-receipt'>, markets: readonly MarketAddress[], nowMs: number): void {
    const { receiptId, machineKey, verdict, endedAtMs } = receipt.body;
    inTransaction(this.#database, () => {
      this.#database
        .prepare(
          'INSERT INTO machine_receipts (receipt_id, machine_key, verdict, ended_at_ms, receipt) VALUES (?, ?, ?, ?, ?)',
        )
        .run(receiptId, machineKey, verdict, endedAtMs, canonicalJson(receipt));
      this.#receipts.logAndQueue('machine-receipt', receipt, markets, nowMs);
    });
  }

  /** The last verdicts on one machine, newest first. */
  verdicts(machineKey: string, limit: number): MachineVerdict[] {
    return this.#database
      .prepare(
        'SELECT verdict, ended_at_ms AS endedAtMs FROM machine_receipts WHERE machine_key = ? ORDER BY ended_at_ms DESC LIMIT ?',
      )
      .all(machineKey, limit) as unknown as MachineVerdict[];
  }

  /** The newest machine receipts first, all of them or those of one machine. */
  newest(limit: number, machineKey?: string): Array<Signed<'machine-receipt'>> {
    const order = 'ORDER BY ended_at_ms DESC, receipt_id LIMIT ?';
    const rows = (machineKey === undefined
      ? this.#database.prepare(`SELECT receipt FROM machine_receipts ${order}`).all(limit)
      : this.#database
          .prepare(`SELECT receipt FROM machine_receipts WHERE machine_key = ? ${order}`)
          .all(machineKey, limit)) as unknown as Array<{ receipt: string }>;
    return rows.map((row) => JSON.parse(row.receipt) as Signed<'machine-receipt'>);
  }

  /** What receipts say that ended after `sinceMs`, for scores. */
  words(sinceMs: number): MachineWord[] {
    const rows = this.#database
      .prepare('SELECT receipt FROM machine_receipts WHERE ended_at_ms >= ? ORDER BY ended_at_ms LIMIT 1000000')
      .all(sinceMs) as unknown as Array<{ receipt: string }>;
    return rows.map((row) => {
      const { body } = JSON.parse(row.receipt) as Signed<'machine-receipt'>;
      const { receiptId, validator, machineKey, endedAtMs } = body;
      const parts = Object.fromEntries(MACHINE_PARTS.map((part) => [part, { verdict: body.parts[part].verdict }]));
      return { receiptId, validator, machineKey, endedAtMs, parts: parts as MachineWord['parts'] };
    });
  }

  /** Host ports of a machine that led into a pod, and when last (unix ms). */
  reachedPorts(machineKey: string): Map<number, number> {
    const rows = this.#database
      .prepare('SELECT port, at_ms AS atMs FROM reached_ports WHERE machine_key = ?')
      .all(machineKey) as unknown as Array<{ port: number; atMs: number }>;
    return new Map(rows.map(({ port, atMs }) => [port, atMs]));
  }

  /** Notes what was tried: a port that led nowhere is forgotten. */
  noteReached(machineKey: string, tried: readonly TriedPort[], nowMs: number): void {
    inTransaction(this.#database, () => {
      const put = this.#database.prepare(
        'INSERT OR REPLACE INTO reached_ports (machine_key, port, at_ms) VALUES (?, ?, ?)',
      );
      const drop = this.#database.prepare('DELETE FROM reached_ports WHERE machine_key = ? AND port = ?');
      for (const { host, reached } of tried) {
        if (reached) put.run(machineKey, host, nowMs);
        else drop.run(machineKey, host);
      }
      this.#database.prepare('DELETE FROM reached_ports WHERE at_ms < ?').run(nowMs - REMEMBER_PORTS_MS);
    });
  }

  /** The last large deploy that we began on a machine, or null. */
  lastDeploy(machineKey: string): LastDeploy | null {
    const row = this.#database
      .prepare('SELECT block, at_ms AS atMs, verdict FROM large_deploys WHERE machine_key = ?')
      .get(machineKey) as LastDeploy | undefined;
    return row ?? null;
  }

  /** A deploy that did not begin after all. */
  forgetDeploy(machineKey: string): void {
    this.#database.prepare('DELETE FROM large_deploys WHERE machine_key = ?').run(machineKey);
  }

  /** Notes a large deploy before it begins (as failed: a crash must not bring a second one), and again when it has passed. */
  noteDeploy(machineKey: string, deploy: LastDeploy): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO large_deploys (machine_key, block, at_ms, verdict) VALUES (?, ?, ?, ?)')
      .run(machineKey, deploy.block, deploy.atMs, deploy.verdict);
  }
}
