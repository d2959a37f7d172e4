/** The devchain on disk: an append-only log of operations and blocks, block records for streams, snapshots for a quick start. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CeliumError, canonicalJson } from '@celium/contract';
import { guardSqlite, openSqlite } from '../sqlite-file.ts';
import type { BlockRef, Transfer } from '../subnet-chain.ts';
import type { Operation } from './operations.ts';
import { decodeState, encodeState, stateHash, type ChainState, type DevchainFaults } from './state.ts';

/**
 * What the log holds, in order: operations accepted into the open block, the seals that closed one, faults that a test
 * ordered, and reorganisations back to a block.
 */
export type LoggedEntry =
  | { readonly kind: 'operation'; readonly operation: Operation }
  | { readonly kind: 'faults'; readonly faults: DevchainFaults }
  | { readonly kind: 'reorg'; readonly to: number }
  | { readonly kind: 'block'; readonly number: number; readonly hash: string; readonly timeMs: number };

/** A sealed block and its transfers, for streams. */
export interface BlockRecord {
  readonly block: BlockRef;
  readonly transfers: readonly Transfer[];
}

const SNAPSHOT_EVERY_BLOCKS = 200;

/**
 * One SQLite file, or `:memory:`. Each append is one transaction that is on disk (fsync) before it returns. Throws
 * `STATE_LOCKED` when another process has it open, `DISK_FULL` when it cannot grow.
 */
export class DevchainStore {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #insertLog: StatementSync;
  readonly #insertOperation: StatementSync;
  readonly #insertBlock: StatementSync;

  constructor(file: string) {
    this.#file = file;
    this.#database = openSqlite(
      file,
      `PRAGMA locking_mode = EXCLUSIVE;
       PRAGMA journal_mode = WAL;
       PRAGMA synchronous = FULL;
       CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
       CREATE TABLE IF NOT EXISTS included
         (hash TEXT PRIMARY KEY, block INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
       CREATE TABLE IF NOT EXISTS blocks
         (number INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, time_ms INTEGER NOT NULL, transfers TEXT NOT NULL) STRICT;
       CREATE TABLE IF NOT EXISTS snapshots
         (block INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL) STRICT;
       BEGIN IMMEDIATE;
       COMMIT;`,
    );
    this.#insertLog = this.#database.prepare('INSERT INTO log (entry) VALUES (?)');
    this.#insertOperation = this.#database.prepare('INSERT INTO included (hash, block, seq) VALUES (?, ?, ?)');
    this.#insertBlock = this.#database.prepare(
      'INSERT INTO blocks (number, hash, time_ms, transfers) VALUES (?, ?, ?, ?)',
    );
  }

  /** Writes the genesis state of a new chain; a snapshot like any other. */
  begin(state: ChainState): void {
    this.#transaction(() => {
      this.#writeBlock({ block: state.head, transfers: [] });
      this.#writeSnapshot(state);
    });
  }

  /** Appends an accepted operation of the block with number `block`. */
  appendOperation(operation: Operation, hash: string, block: number): void {
    this.#transaction(() => {
      const seq = this.#append({ kind: 'operation', operation });
      this.#insertOperation.run(hash, block, seq);
    });
  }

  /** Appends what a test makes go wrong. */
  appendFaults(faults: DevchainFaults): void {
    this.#transaction(() => void this.#append({ kind: 'faults', faults }));
  }

  /** Drops everything after block `to` except the log, which tells of it. Returns the operations that are in no block now. */
  appendReorg(to: number): Operation[] {
    const rows = this.#database
      .prepare('SELECT entry FROM log WHERE seq IN (SELECT seq FROM included WHERE block > ?) ORDER BY seq')
      .all(to) as unknown as Array<{ entry: string }>;
    this.#transaction(() => {
      this.#append({ kind: 'reorg', to });
      for (const table of ['included', 'snapshots']) {
        this.#database.prepare(`DELETE FROM ${table} WHERE block > ?`).run(to);
      }
      this.#database.prepare('DELETE FROM blocks WHERE number > ?').run(to);
    });
    return rows.map(({ entry }) => (JSON.parse(entry) as Extract<LoggedEntry, { kind: 'operation' }>).operation);
  }

  /** Appends a seal, and now and then a snapshot. */
  appendBlock(state: ChainState, transfers: readonly Transfer[]): void {
    this.#transaction(() => {
      this.#append({ kind: 'block', ...state.head });
      this.#writeBlock({ block: state.head, transfers });
      if (state.head.number % SNAPSHOT_EVERY_BLOCKS === 0) {
        this.#writeSnapshot(state);
        this.#database
          .prepare('DELETE FROM snapshots WHERE block < ? AND block > 0')
          .run(state.head.number - state.genesis.stateWindowBlocks - SNAPSHOT_EVERY_BLOCKS);
      }
    });
  }

  /**
   * The newest snapshot that is so old that replay from it restores every state that may be read by hash, else the
   * genesis; null for a new file. Throws `INTERNAL` when it does not hash to what it says.
   */
  snapshot(from: 'window' | 'genesis' = 'window'): { state: ChainState; seq: number } | null {
    const genesis = this.#snapshotAt(0);
    if (genesis === null || from === 'genesis') return genesis;
    const head = this.#database.prepare('SELECT max(number) AS number FROM blocks').get() as { number: number };
    return this.#snapshotAt(head.number - genesis.state.genesis.stateWindowBlocks) ?? genesis;
  }

  /** Log entries after `seq`, in order. */
  *entriesAfter(seq: number): Generator<LoggedEntry> {
    const page = this.#database.prepare('SELECT seq, entry FROM log WHERE seq > ? ORDER BY seq LIMIT 1000');
    for (let after = seq; ;) {
      const rows = page.all(after) as unknown as Array<{ seq: number; entry: string }>;
      for (const row of rows) yield JSON.parse(row.entry) as LoggedEntry;
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.seq;
    }
  }

  /** At most `limit` sealed blocks from number `from` to `to`, in order. */
  blocks(from: number, to: number, limit: number): BlockRecord[] {
    const rows = this.#database
      .prepare(
        'SELECT number, hash, time_ms, transfers FROM blocks WHERE number BETWEEN ? AND ? ORDER BY number LIMIT ?',
      )
      .all(from, to, limit) as unknown as Array<{ number: number; hash: string; time_ms: number; transfers: string }>;
    return rows.map((row) => ({
      block: { number: row.number, hash: row.hash, timeMs: row.time_ms },
      transfers: (JSON.parse(row.transfers) as Array<Omit<Transfer, 'amount'> & { amount: string }>).map(
        (transfer) => ({
          ...transfer,
          amount: BigInt(transfer.amount),
        }),
      ),
    }));
  }

  /** The number of the block that an operation went into (the open one, at first), or null. */
  blockOfOperation(hash: string): number | null {
    const row = this.#database.prepare('SELECT block FROM included WHERE hash = ?').get(hash) as
      | { block: number }
      | undefined;
    return row?.block ?? null;
  }

  /** Closes the file. */
  close(): void {
    this.#database.close();
  }

  #snapshotAt(block: number): { state: ChainState; seq: number } | null {
    const row = this.#database
      .prepare('SELECT seq, hash, state FROM snapshots WHERE block <= ? ORDER BY block DESC LIMIT 1')
      .get(block) as { seq: number; hash: string; state: string } | undefined;
    if (row === undefined) return null;
    const state = decodeState(row.state);
    if (stateHash(state) !== row.hash)
      throw new CeliumError('INTERNAL', 'the devchain snapshot is damaged: restore its state folder');
    return { state, seq: row.seq };
  }

  #append(entry: LoggedEntry): number {
    return Number(this.#insertLog.run(canonicalJson(entry)).lastInsertRowid);
  }

  #writeBlock({ block, transfers }: BlockRecord): void {
    this.#insertBlock.run(block.number, block.hash, block.timeMs, canonicalJson(transfers));
  }

  #writeSnapshot(state: ChainState): void {
    const row = this.#database.prepare('SELECT coalesce(max(seq), 0) AS seq FROM log').get() as { seq: number };
    this.#database
      .prepare('INSERT INTO snapshots (block, seq, hash, state) VALUES (?, ?, ?, ?)')
      .run(state.head.number, row.seq, stateHash(state), encodeState(state));
  }

  #transaction(write: () => void): void {
    guardSqlite(this.#file, () => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        write();
        this.#database.exec('COMMIT');
      } finally {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      }
    });
  }
}
