/** A program's own append-only log in one SQLite file. An entry that was returned is on disk, whatever happens next. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CeliumError, canonicalJson, type LogEntry, type Signed } from '@celium/contract';
import type { KeySigner } from '../keys/key-pair.ts';
import { signDocument } from '../signing/documents.ts';
import { guardSqlite, openSqlite } from '../sqlite-file.ts';
import { EMPTY_LOG_HASH, nextLogEntry, replayLog, type LogDifference, type LogPosition } from './log-hash.ts';

const LARGEST_PAGE = 10_000;

/** A stored row: the canonical JSON of the whole entry. */
interface Row {
  seq: number;
  entry: string;
}

/**
 * An append-only, hash-chained log. One process writes it; a second writer is refused by the file's lock.
 *
 * @example
 * const log = new SqliteLog(join(stateFolder, 'log.sqlite'));
 * log.append('receipt', receipt, clock.now());
 * const head = await log.signHead(machineKey, clock.now());
 */
export class SqliteLog {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #page: StatementSync;
  #position: LogPosition;

  /**
   * Opens or makes the log. Throws `STATE_LOCKED` when another process has it open for writing, and `INTERNAL` when
   * its last entry does not hash to what it says (restore it from a copy; `verify` finds the first difference).
   */
  constructor(file: string) {
    this.#file = file;
    this.#database = openSqlite(
      file,
      `PRAGMA locking_mode = EXCLUSIVE;
       PRAGMA journal_mode = WAL;
       PRAGMA synchronous = FULL;
       CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
       BEGIN IMMEDIATE;
       COMMIT;`,
    );
    this.#insert = this.#database.prepare('INSERT INTO entries (seq, entry) VALUES (?, ?)');
    this.#page = this.#database.prepare('SELECT seq, entry FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?');
    this.#position = this.#readPosition(file);
  }

  /** Number of entries and hash of the last. */
  get position(): LogPosition {
    return this.#position;
  }

  /** Appends one entry and returns it once it is on disk. `atMs` is unix ms. Throws `DISK_FULL`; nothing half-written stays. */
  append(kind: string, body: unknown, atMs: number): LogEntry {
    const entry = nextLogEntry(this.#position, kind, body, atMs);
    guardSqlite(this.#file, () => this.#insert.run(entry.seq, canonicalJson(entry)));
    this.#position = { height: entry.seq, hash: entry.hash };
    return entry;
  }

  /** At most `limit` (up to 10,000) entries from `fromSeq` (1 is the first) on. */
  entries(fromSeq = 1, limit = LARGEST_PAGE): LogEntry[] {
    const rows = this.#page.all(fromSeq, Math.min(limit, LARGEST_PAGE)) as unknown as Row[];
    return rows.map((row) => JSON.parse(row.entry) as LogEntry);
  }

  /** All entries, page by page, as they were when this began. */
  *all(): Generator<LogEntry> {
    const last = this.#position.height;
    for (let from = 1; from <= last; from += LARGEST_PAGE) {
      for (const entry of this.entries(from)) if (entry.seq <= last) yield entry;
    }
  }

  /** The head of this log, signed; anchored on chain once per epoch. */
  signHead(signer: KeySigner, atMs: number): Promise<Signed<'log-head'>> {
    return signDocument('log-head', { ...this.#position, atMs }, signer);
  }

  /** Replays the whole log from its first entry. */
  verify(): ReturnType<typeof replayLog> {
    try {
      return replayLog(this.all(), { head: this.#position });
    } catch (error) {
      const broken: LogDifference = { ok: false, seq: 0, reason: 'malformed', message: String(error) };
      return broken;
    }
  }

  /** Closes the file; the log is of no use afterwards. */
  close(): void {
    this.#database.close();
  }

  #readPosition(file: string): LogPosition {
    const row = this.#database.prepare('SELECT seq, entry FROM entries ORDER BY seq DESC LIMIT 1').get() as
      | Row
      | undefined;
    if (row === undefined) return { height: 0, hash: EMPTY_LOG_HASH };
    const last = JSON.parse(row.entry) as LogEntry;
    const replayed = replayLog([last], { from: { height: row.seq - 1, hash: last.prevHash } });
    if (replayed.ok) return replayed.position;
    this.#database.close();
    throw new CeliumError(
      'INTERNAL',
      `the log ${file} is damaged at entry ${row.seq}: restore it from a copy (${replayed.message})`,
    );
  }
}
