/** Opening SQLite files, and what goes wrong with them as errors that a person can act on. */
import { DatabaseSync } from 'node:sqlite';
import { CeliumError } from '@celium/contract';

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** Opens a file and runs `setUp` (pragmas and tables) in it. Throws what `sqliteFault` makes of a failure; nothing stays open. */
export function openSqlite(file: string, setUp: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec(setUp);
    return database;
  } catch (cause) {
    database?.close();
    throw sqliteFault(cause, file);
  }
}

/** Runs a call on a database of `file`, its failure as `sqliteFault` has it. */
export function guardSqlite<Result>(file: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw sqliteFault(cause, file);
  }
}

/**
 * The error for a failed SQLite call on `file`: `DISK_FULL`, `STATE_LOCKED` (another process has it), or `INTERNAL`
 * with what to do for a damaged or unopenable file. Anything that is no SQLite error comes back as it is.
 */
function sqliteFault(cause: unknown, file: string): unknown {
  const { code, errcode } = cause as { code?: unknown; errcode?: unknown };
  if (code !== 'ERR_SQLITE_ERROR' || typeof errcode !== 'number') return cause;
  switch (errcode & 0xff) {
    case FULL:
      return new CeliumError('DISK_FULL', `the disk is full: ${file} could not grow, and nothing was half-written`, {
        cause,
      });
    case BUSY:
    case LOCKED:
      return new CeliumError('STATE_LOCKED', `another process uses ${file}`, { cause });
    case CORRUPT:
    case NOTADB:
      return new CeliumError('INTERNAL', `${file} is damaged: restore it from a copy, or move it away to start anew`, {
        cause,
      });
    case CANTOPEN:
      return new CeliumError('INTERNAL', `${file} cannot be opened: check that its folder exists and may be written`, {
        cause,
      });
    default:
      return new CeliumError('INTERNAL', `${file} could not be read or written: ${String(cause)}`, { cause });
  }
}
