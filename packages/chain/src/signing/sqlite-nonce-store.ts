/** Nonces on disk for programs without Postgres: seen ones are refused across restarts, until expiry plus ten minutes. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CeliumError, NONCE_MEMORY_MS } from '@celium/contract';
import { guardSqlite, openSqlite } from '../sqlite-file.ts';
import { NONCES_FULL, type NonceStore } from './requests.ts';

/** Options: `now` in unix ms; `maxNonces` bounds the table (default one million, about 150 MB at worst). */
export interface SqliteNonceStoreOptions {
  now(): number;
  readonly maxNonces?: number;
}

/**
 * A nonce store in one SQLite file (WAL; a claim survives `kill -9`).
 * When it is full of nonces that may not be forgotten yet, a claim throws `RATE_LIMITED` instead of forgetting one.
 */
export class SqliteNonceStore implements NonceStore {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #maxNonces: number;
  readonly #insert: StatementSync;
  readonly #forget: StatementSync;
  #count: number;

  constructor(file: string, options: SqliteNonceStoreOptions) {
    this.#now = options.now;
    this.#maxNonces = options.maxNonces ?? 1_000_000;
    this.#file = file;
    this.#database = openSqlite(
      file,
      `PRAGMA journal_mode = WAL;
       PRAGMA synchronous = NORMAL;
       PRAGMA busy_timeout = 2000;
       CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, forget_at_ms INTEGER NOT NULL) WITHOUT ROWID, STRICT;
       CREATE INDEX IF NOT EXISTS nonces_by_age ON nonces (forget_at_ms);`,
    );
    this.#insert = this.#database.prepare('INSERT OR IGNORE INTO nonces (nonce, forget_at_ms) VALUES (?, ?)');
    this.#forget = this.#database.prepare('DELETE FROM nonces WHERE forget_at_ms < ?');
    const row = this.#database.prepare('SELECT count(*) AS count FROM nonces').get() as { count: number };
    this.#count = row.count;
  }

  async claim(nonce: string, expiresAtMs: number): Promise<boolean> {
    return guardSqlite(this.#file, () => this.#claim(nonce, expiresAtMs));
  }

  /** Closes the file; the store is of no use afterwards. */
  close(): void {
    this.#database.close();
  }

  #claim(nonce: string, expiresAtMs: number): boolean {
    this.#count -= Number(this.#forget.run(Math.floor(this.#now())).changes);
    if (this.#count >= this.#maxNonces) {
      throw new CeliumError('RATE_LIMITED', NONCES_FULL);
    }
    const { changes } = this.#insert.run(nonce, Math.ceil(expiresAtMs + NONCE_MEMORY_MS));
    this.#count += Number(changes);
    return Number(changes) === 1;
  }
}
