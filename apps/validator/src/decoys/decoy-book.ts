/** The private record of decoys: written before each step, hash-chained and signed, committed to every hour, disclosed a day later. */

import type { DatabaseSync } from 'node:sqlite';
import {
  commitToDecoys,
  decoyLeaf,
  EMPTY_LOG_HASH,
  nextLogEntry,
  signDocument,
  toHex,
  type KeySigner,
  type LogPosition,
} from '@celium/chain';
import {
  canonicalJson,
  type DecoyCommitment,
  type DecoyDisclosure,
  type DecoyFacts,
  type Signed,
} from '@celium/contract';
import { commitmentPeriodOf, disclosureAtMs } from '@celium/domain';
import type { CallInput } from '@celium/sdk';
import type { RandomBytes } from '../ports.ts';
import { inTransaction } from '../state/database.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS decoys (
    decoy_id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('renting', 'rented', 'ended')),
    account_id TEXT NOT NULL, market_url TEXT NOT NULL, machine_key TEXT NOT NULL, hotkey TEXT NOT NULL,
    body TEXT NOT NULL, facts TEXT, grant TEXT, period INTEGER, most_cost INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL, ended_at_ms INTEGER,
    outcome TEXT, receipts TEXT NOT NULL DEFAULT '[]', charged INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS decoy_periods (
    period INTEGER PRIMARY KEY, salt TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'made' CHECK (state IN ('made', 'published', 'disclosed'))
  ) STRICT;
  CREATE TABLE IF NOT EXISTS decoy_machines (
    machine_key TEXT PRIMARY KEY, last_decoy_at_ms INTEGER, earned INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE IF NOT EXISTS decoy_record (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, entry TEXT NOT NULL, head TEXT NOT NULL
  ) STRICT;
`;

/** A decoy that is not over. */
export interface OpenDecoy {
  decoyId: string;
  accountId: string;
  marketUrl: string;
  machineKey: string;
  /** The provider's. */
  hotkey: string;
  body: CallInput<'createRental'>['body'];
  /** Null until the rental was granted. */
  facts: DecoyFacts | null;
}

interface Row {
  decoy_id: string;
  account_id: string;
  market_url: string;
  machine_key: string;
  hotkey: string;
  body: string;
  facts: string | null;
  grant: string | null;
  ended_at_ms: number | null;
  outcome: string | null;
  receipts: string;
  charged: number;
}

const DAY_MS = 24 * 3_600_000;
/** Empty hours that were missed while the validator was away are made up for, at most these. */
const MAX_MISSED_PERIODS = 48;

/** Everything about decoys that has to survive a crash. */
export class DecoyBook {
  readonly #database: DatabaseSync;
  readonly #hotkey: KeySigner;
  readonly #randomBytes: RandomBytes;
  #writing: Promise<void> = Promise.resolve();

  constructor(database: DatabaseSync, hotkey: KeySigner, randomBytes: RandomBytes) {
    this.#database = database;
    this.#hotkey = hotkey;
    this.#randomBytes = randomBytes;
    database.exec(SCHEMA);
  }

  /** Before the rent is sent; `mostCostMicroUsd` counts against the day's budget until the bill is known. */
  async noteRenting(decoy: Omit<OpenDecoy, 'facts'>, mostCostMicroUsd: bigint, nowMs: number): Promise<void> {
    const { decoyId, accountId, marketUrl, machineKey, hotkey, body } = decoy;
    await this.#record('renting', decoy, nowMs, () => {
      this.#database
        .prepare(
          `INSERT INTO decoys (decoy_id, state, account_id, market_url, machine_key, hotkey, body, most_cost, started_at_ms)
           VALUES (?, 'renting', ?, ?, ?, ?, ?, ?, ?)`,
        )
        .run(decoyId, accountId, marketUrl, machineKey, hotkey, canonicalJson(body), mostCostMicroUsd, nowMs);
      this.#database
        .prepare(
          `INSERT INTO decoy_machines (machine_key, last_decoy_at_ms) VALUES (?, ?)
           ON CONFLICT (machine_key) DO UPDATE SET last_decoy_at_ms = excluded.last_decoy_at_ms, earned = 0`,
        )
        .run(machineKey, nowMs);
    });
  }

  /** The grant is in: from here on the decoy is part of the hour's commitment. */
  async noteRented(facts: Omit<DecoyFacts, 'salt'>, grant: Signed<'grant'>, nowMs: number): Promise<void> {
    const salted = { ...facts, salt: toHex(this.#randomBytes(32)) } as DecoyFacts;
    await this.#record('rented', salted, nowMs, () =>
      this.#database
        .prepare(`UPDATE decoys SET state = 'rented', facts = ?, grant = ?, period = ? WHERE decoy_id = ?`)
        .run(JSON.stringify(salted), JSON.stringify(grant), this.#openPeriod(nowMs), salted.decoyId),
    );
  }

  /** What came of the check; the rental goes on for a while. */
  async noteChecked(
    decoyId: string,
    outcome: string,
    receipts: ReadonlyArray<Signed<'receipt'>>,
    nowMs: number,
  ): Promise<void> {
    await this.#record('checked', { decoyId, outcome, receipts }, nowMs, () =>
      this.#database
        .prepare('UPDATE decoys SET outcome = ?, receipts = ? WHERE decoy_id = ?')
        .run(outcome, JSON.stringify(receipts), decoyId),
    );
  }

  async noteEnded(decoyId: string, chargedMicroUsd: bigint, nowMs: number): Promise<void> {
    await this.#record('ended', { decoyId, chargedMicroUsd }, nowMs, () =>
      this.#database
        .prepare(
          `UPDATE decoys SET state = 'ended', outcome = coalesce(outcome, 'GIVEN_UP'), charged = ?, ended_at_ms = ? WHERE decoy_id = ?`,
        )
        .run(chargedMicroUsd, nowMs, decoyId),
    );
  }

  /** What a crash may have left rented. */
  open(): OpenDecoy[] {
    const rows = this.#database
      .prepare(`SELECT * FROM decoys WHERE state <> 'ended' ORDER BY started_at_ms LIMIT 1000`)
      .all() as unknown as Row[];
    return rows.map((row) => ({
      decoyId: row.decoy_id,
      accountId: row.account_id,
      marketUrl: row.market_url,
      machineKey: row.machine_key,
      hotkey: row.hotkey,
      body: JSON.parse(row.body) as OpenDecoy['body'],
      facts: row.facts === null ? null : (JSON.parse(row.facts) as DecoyFacts),
    }));
  }

  /** What decoys of the last day cost, and what open ones may cost at the most. */
  spentMicroUsd(nowMs: number): bigint {
    const { spent } = this.#database
      .prepare(
        `SELECT coalesce(sum(CASE state WHEN 'ended' THEN charged ELSE most_cost END), 0) AS spent FROM decoys WHERE started_at_ms > ?`,
      )
      .get(nowMs - DAY_MS) as { spent: number };
    return BigInt(spent);
  }

  /** When a machine had its last decoy, and what it earned since. */
  historyOf(machineKey: string): { lastDecoyAtMs: number | null; earnedMicroUsd: bigint } {
    const row = this.#database
      .prepare('SELECT last_decoy_at_ms AS lastDecoyAtMs, earned FROM decoy_machines WHERE machine_key = ?')
      .get(machineKey) as { lastDecoyAtMs: number | null; earned: number } | undefined;
    return { lastDecoyAtMs: row?.lastDecoyAtMs ?? null, earnedMicroUsd: BigInt(row?.earned ?? 0) };
  }

  /** A rental on a machine has ended; one of our own counts for nothing. */
  noteEarned(machineKey: string, rentalId: string, microUsd: bigint): void {
    const own = this.#database
      .prepare(`SELECT 1 FROM decoys WHERE json_extract(facts, '$.rentalId') = ?`)
      .get(rentalId);
    if (own !== undefined) return;
    this.#database
      .prepare(
        `INSERT INTO decoy_machines (machine_key, earned) VALUES (?, ?)
         ON CONFLICT (machine_key) DO UPDATE SET earned = min(earned + excluded.earned, 9000000000000000)`,
      )
      .run(machineKey, microUsd);
  }

  /**
   * The commitments of all hours that are over, with and without decoys, that are not known to be in the log. One that a crash left out is given
   * again, the same.
   */
  commitmentsDue(nowMs: number): DecoyCommitment[] {
    const current = commitmentPeriodOf(nowMs);
    const last = this.#lastPeriod();
    const insert = this.#database.prepare('INSERT INTO decoy_periods (period, salt) VALUES (?, ?)');
    for (let period = last === null ? current - 1 : last + 1; period < current; period += 1) {
      const isLongAgo = current - period > MAX_MISSED_PERIODS && this.#rowsOf(period).length === 0;
      if (!isLongAgo) insert.run(period, toHex(this.#randomBytes(32)));
    }
    const due = this.#database
      .prepare(`SELECT period, salt FROM decoy_periods WHERE state = 'made' ORDER BY period LIMIT 1000`)
      .all() as unknown as Array<{ period: number; salt: string }>;
    return due.map(({ period, salt }) => commitToDecoys(period, salt, this.#leavesOf(period)));
  }

  notePublished(period: number): void {
    this.#database.prepare(`UPDATE decoy_periods SET state = 'published' WHERE period = ?`).run(period);
  }

  /** What is to be disclosed now. */
  disclosuresDue(nowMs: number, epochMs: number): DecoyDisclosure[] {
    const periods = this.#database
      .prepare(`SELECT period, salt FROM decoy_periods WHERE state = 'published' ORDER BY period LIMIT 1000`)
      .all() as unknown as Array<{ period: number; salt: string }>;
    return periods.flatMap(({ period, salt }) => {
      const rows = this.#rowsOf(period);
      const dueAtMs = disclosureAtMs(
        period,
        rows.map((row) => row.ended_at_ms),
        epochMs,
      );
      if (dueAtMs === null || dueAtMs > nowMs) return [];
      const decoys = rows.map((row) => ({
        facts: JSON.parse(row.facts ?? '') as DecoyFacts,
        endedAtMs: row.ended_at_ms ?? 0,
        chargedMicroUsd: String(row.charged),
        outcome: row.outcome ?? '',
        receipts: JSON.parse(row.receipts) as Array<Signed<'receipt'>>,
      }));
      return [{ period, salt, leaves: this.#leavesOf(period), decoys }];
    });
  }

  noteDisclosed(period: number): void {
    this.#database.prepare(`UPDATE decoy_periods SET state = 'disclosed' WHERE period = ?`).run(period);
  }

  /** The grant of a decoy, which goes with its receipts. */
  grantOf(decoyId: string): Signed<'grant'> | null {
    const row = this.#database.prepare('SELECT grant FROM decoys WHERE decoy_id = ?').get(decoyId) as
      | { grant: string | null }
      | undefined;
    const grant = row?.grant ?? null;
    return grant === null ? null : (JSON.parse(grant) as Signed<'grant'>);
  }

  /** A decoy of an hour that was committed to already belongs to the next. */
  #openPeriod(nowMs: number): number {
    return Math.max(commitmentPeriodOf(nowMs), (this.#lastPeriod() ?? -1) + 1);
  }

  #lastPeriod(): number | null {
    const row = this.#database.prepare('SELECT max(period) AS last FROM decoy_periods').get();
    return (row as { last: number | null }).last;
  }

  #rowsOf(period: number): Row[] {
    return this.#database
      .prepare('SELECT * FROM decoys WHERE period = ? ORDER BY decoy_id LIMIT 1000')
      .all(period) as unknown as Row[];
  }

  #leavesOf(period: number): string[] {
    return this.#rowsOf(period)
      .map((row) => decoyLeaf(JSON.parse(row.facts ?? '') as DecoyFacts))
      .toSorted();
  }

  /** One entry of the private record with its signed head, and what goes with it, in one transaction; one after the other. */
  #record(kind: string, body: unknown, nowMs: number, work: () => unknown): Promise<void> {
    const written = this.#writing.then(async () => {
      const last = this.#database
        .prepare('SELECT seq AS height, hash FROM decoy_record ORDER BY seq DESC LIMIT 1')
        .get();
      const position = (last as LogPosition | undefined) ?? { height: 0, hash: EMPTY_LOG_HASH };
      const entry = nextLogEntry(position, kind, body, nowMs);
      const head = await signDocument('log-head', { height: entry.seq, hash: entry.hash, atMs: nowMs }, this.#hotkey);
      inTransaction(this.#database, () => {
        this.#database
          .prepare('INSERT INTO decoy_record (seq, hash, entry, head) VALUES (?, ?, ?, ?)')
          .run(entry.seq, entry.hash, JSON.stringify(entry), JSON.stringify(head));
        work();
      });
    });
    this.#writing = written.catch(() => {});
    return written;
  }
}
