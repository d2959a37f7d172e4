/** Receipts, the signed log and the outbox in one transaction: a receipt that exists is logged and on its way to every market, or nothing of it exists. */

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { EMPTY_LOG_HASH, nextLogEntry, type LogPosition } from '@celium/chain';
import { canonicalJson, type LogEntry, type Signed } from '@celium/contract';
import { transcriptsToRelease, type KeptTranscript, type ScoredReceipt, type UnitVerdict } from '@celium/domain';
import { inTransaction } from './database.ts';

/** A market that a receipt goes to. */
export interface MarketAddress {
  url: string;
  /** Its public key, the audience of the signed request. */
  key: string;
}

/** A receipt that waits to be published to one market. */
export interface OutboxItem {
  id: number;
  market: MarketAddress;
  receipt: Signed<'receipt'> | Signed<'machine-receipt'>;
  attempts: number;
}

interface OutboxRow {
  id: number;
  market_url: string;
  market_key: string;
  receipt: string;
  attempts: number;
}

/** Kept transcripts of one unit that are looked at for release, the newest first: failures and samples beyond stay as they are. */
const MAX_KEPT_LOOKED_AT = 1_000;

/** The receipts of this validator. */
export class ReceiptBook {
  readonly #database: DatabaseSync;
  // Asked for after every check of every machine.
  readonly #verdicts: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#verdicts = database.prepare(
      `SELECT unit, verdict, ended_at_ms AS endedAtMs FROM receipts WHERE machine_key = ? ORDER BY ended_at_ms DESC, receipt_id LIMIT ?`,
    );
  }

  /** Stores one receipt with the grant it is about, appends it to the log and puts it into the outbox of every market. */
  add(receipt: Signed<'receipt'>, grant: Signed<'grant'>, markets: readonly MarketAddress[], nowMs: number): LogEntry {
    const body = receipt.body;
    return inTransaction(this.#database, () => {
      this.#database
        .prepare(
          `INSERT INTO receipts (receipt_id, machine_key, hotkey, unit, verdict, ended_at_ms, receipt, grant, transcript_hash)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(
          body.receiptId,
          body.machineKey,
          body.hotkey,
          body.unit,
          body.verdict,
          body.endedAtMs,
          canonicalJson(receipt),
          canonicalJson(grant),
          body.transcriptHash,
        );
      return this.logAndQueue('receipt', receipt, markets, nowMs);
    });
  }

  /** Appends a receipt of either kind to the log and puts it into the outbox of every market; the caller's transaction stores the receipt itself. */
  logAndQueue(
    kind: 'receipt' | 'machine-receipt',
    receipt: OutboxItem['receipt'],
    markets: readonly MarketAddress[],
    nowMs: number,
  ): LogEntry {
    const entry = this.#appendLog(kind, receipt, nowMs);
    const insert = this.#database.prepare(
      'INSERT OR IGNORE INTO outbox (receipt_id, market_url, market_key, next_at_ms) VALUES (?, ?, ?, ?)',
    );
    for (const market of markets) insert.run(receipt.body.receiptId, market.url, market.key, nowMs);
    return entry;
  }

  /** Appends one entry of another kind to the log. */
  appendLog(kind: string, body: unknown, nowMs: number): LogEntry {
    return inTransaction(this.#database, () => this.#appendLog(kind, body, nowMs));
  }

  /** Number of log entries and the hash of the last. */
  logPosition(): LogPosition {
    const row = this.#database.prepare('SELECT seq, hash FROM log ORDER BY seq DESC LIMIT 1').get() as
      | { seq: number; hash: string }
      | undefined;
    return row === undefined ? { height: 0, hash: EMPTY_LOG_HASH } : { height: row.seq, hash: row.hash };
  }

  /** At most `limit` log entries from `fromSeq` on. */
  logEntries(fromSeq: number, limit: number): LogEntry[] {
    const rows = this.#database
      .prepare('SELECT entry FROM log WHERE seq >= ? ORDER BY seq LIMIT ?')
      .all(fromSeq, limit) as unknown as Array<{ entry: string }>;
    return rows.map((row) => JSON.parse(row.entry) as LogEntry);
  }

  /** A receipt and the grant it is about, or null. */
  find(receiptId: string): { receipt: Signed<'receipt'>; grant: Signed<'grant'> } | null {
    const row = this.#database.prepare('SELECT receipt, grant FROM receipts WHERE receipt_id = ?').get(receiptId) as
      | { receipt: string; grant: string }
      | undefined;
    if (row === undefined) return null;
    return { receipt: JSON.parse(row.receipt) as Signed<'receipt'>, grant: JSON.parse(row.grant) as Signed<'grant'> };
  }

  /** The newest receipts first, all of them or those of one machine. */
  newest(limit: number, machineKey?: string): Array<Signed<'receipt'>> {
    const rows = (machineKey === undefined
      ? this.#database.prepare('SELECT receipt FROM receipts ORDER BY ended_at_ms DESC, receipt_id LIMIT ?').all(limit)
      : this.#database
          .prepare('SELECT receipt FROM receipts WHERE machine_key = ? ORDER BY ended_at_ms DESC, receipt_id LIMIT ?')
          .all(machineKey, limit)) as unknown as Array<{ receipt: string }>;
    return rows.map((row) => JSON.parse(row.receipt) as Signed<'receipt'>);
  }

  /** The last verdicts of announced checks on one machine, newest first: decoys keep their own time. */
  verdicts(machineKey: string, limit: number): UnitVerdict[] {
    return this.#verdicts.all(machineKey, limit) as unknown as UnitVerdict[];
  }

  /** Receipts that may count for scores: those that ended after `sinceMs`. */
  scored(sinceMs: number): ScoredReceipt[] {
    const rows = this.#database
      .prepare(
        `SELECT hotkey, machine_key AS machineKey, unit, verdict, ended_at_ms AS endedAtMs, json_extract(receipt, '$.body.lease') AS lease,
           json_extract(receipt, '$.body.networkBarrier') AS networkBarrier
         FROM receipts WHERE ended_at_ms >= ? ORDER BY ended_at_ms LIMIT 1000000`,
      )
      .all(sinceMs) as unknown as Array<
      Omit<ScoredReceipt, 'networkBarrier'> & { lease: string | null; networkBarrier: number | null }
    >;
    return rows.map(({ lease, networkBarrier, ...row }) => ({
      ...row,
      paid: lease === 'paid',
      networkBarrier: networkBarrier === 1,
    }));
  }

  /** What is due to be published now, at most `limit`: first what goes to our own markets (those without a key), then the rest by age. */
  due(nowMs: number, limit: number): OutboxItem[] {
    const rows = this.#database
      .prepare(
        `SELECT o.id, o.market_url, o.market_key, o.attempts, coalesce(r.receipt, m.receipt) AS receipt
         FROM outbox o LEFT JOIN receipts r USING (receipt_id) LEFT JOIN machine_receipts m USING (receipt_id)
         WHERE o.state = 'waiting' AND o.next_at_ms <= ? ORDER BY o.market_key = '' DESC, o.next_at_ms, o.id LIMIT ?`,
      )
      .all(nowMs, limit) as unknown as OutboxRow[];
    return rows.map((row) => ({
      id: row.id,
      market: { url: row.market_url, key: row.market_key },
      receipt: JSON.parse(row.receipt) as OutboxItem['receipt'],
      attempts: row.attempts,
    }));
  }

  /** A market that does not answer is not asked again before `nextAtMs`, however many receipts wait for it. */
  restMarket(marketUrl: string, nextAtMs: number): void {
    this.#database
      .prepare(`UPDATE outbox SET next_at_ms = max(next_at_ms, ?) WHERE market_url = ? AND state = 'waiting'`)
      .run(nextAtMs, marketUrl);
  }

  noteSent(id: number): void {
    this.#database
      .prepare(`UPDATE outbox SET state = 'sent', attempts = attempts + 1, last_error = NULL WHERE id = ?`)
      .run(id);
  }

  /** `nextAtMs` null: it is not tried again. */
  noteNotSent(id: number, error: string, nextAtMs: number | null): void {
    this.#database
      .prepare(`UPDATE outbox SET attempts = attempts + 1, last_error = ?, state = ?, next_at_ms = ? WHERE id = ?`)
      .run(error.slice(0, 300), nextAtMs === null ? 'given-up' : 'waiting', nextAtMs ?? 0, id);
  }

  /** How many receipts there are, and how many wait to be published. */
  counts(): { receipts: number; waiting: number; givenUp: number } {
    const receipts = this.#database.prepare('SELECT count(*) AS n FROM receipts').get() as { n: number };
    const waiting = this.#database.prepare(`SELECT count(*) AS n FROM outbox WHERE state = 'waiting'`).get() as {
      n: number;
    };
    const givenUp = this.#database.prepare(`SELECT count(*) AS n FROM outbox WHERE state = 'given-up'`).get() as {
      n: number;
    };
    return { receipts: receipts.n, waiting: waiting.n, givenUp: givenUp.n };
  }

  /** Hashes of transcripts, those of pairs included, that are not kept any longer now that `receipt` is there; the rule is `transcriptsToRelease`. */
  releaseTranscripts(receipt: Signed<'receipt'>): string[] {
    const { machineKey, unit } = receipt.body;
    return inTransaction(this.#database, () => {
      const kept = this.#database
        .prepare(
          `SELECT receipt_id AS receiptId, verdict, ended_at_ms AS endedAtMs, transcript_hash AS transcriptHash,
             json_extract(receipt, '$.body.pair.transcriptHash') AS pairHash
           FROM receipts WHERE machine_key = ? AND unit = ? AND transcript_kept = 1 AND transcript_hash <> ''
           ORDER BY ended_at_ms DESC LIMIT ?`,
        )
        .all(machineKey, unit, MAX_KEPT_LOOKED_AT) as unknown as Array<KeptTranscript & { pairHash: string | null }>;
      const released = transcriptsToRelease(kept);
      const note = this.#database.prepare('UPDATE receipts SET transcript_kept = 0 WHERE receipt_id = ?');
      for (const { receiptId } of released) note.run(receiptId);
      return released.flatMap(({ transcriptHash, pairHash }) =>
        pairHash === null ? [transcriptHash] : [transcriptHash, pairHash],
      );
    });
  }

  /**
   * Forgets at most `limit` receipts that ended before `beforeMs` and whose transcripts are not kept (any more), with what their publication left.
   * They stay in the log. Returns how many were forgotten.
   */
  prune(beforeMs: number, limit: number): number {
    return inTransaction(this.#database, () => {
      const gone = this.#database
        .prepare(
          `DELETE FROM receipts WHERE receipt_id IN (
             SELECT receipt_id FROM receipts
             WHERE ended_at_ms < ? AND (transcript_kept = 0 OR transcript_hash = '') ORDER BY ended_at_ms LIMIT ?)
           RETURNING receipt_id AS id`,
        )
        .all(beforeMs, limit) as unknown as Array<{ id: string }>;
      const forget = this.#database.prepare('DELETE FROM outbox WHERE receipt_id = ?');
      for (const { id } of gone) forget.run(id);
      return gone.length;
    });
  }

  #appendLog(kind: string, body: unknown, nowMs: number): LogEntry {
    const entry = nextLogEntry(this.logPosition(), kind, body, nowMs);
    this.#database
      .prepare('INSERT INTO log (seq, hash, entry) VALUES (?, ?, ?)')
      .run(entry.seq, entry.hash, canonicalJson(entry));
    return entry;
  }
}
