/** The validator's one SQLite file. It is locked for one process: what a check has to survive a crash is in here before it acts. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { guardSqlite, openSqlite } from '@celium/chain';
import { CeliumError } from '@celium/contract';

/** All tables of the state. */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS manifests (
    hotkey TEXT PRIMARY KEY, serial INTEGER NOT NULL, signed TEXT NOT NULL, seen_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS leases (
    request_id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    request TEXT NOT NULL,
    grant TEXT,
    state TEXT NOT NULL CHECK (state IN ('requested', 'granted', 'closed')),
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_stop_at_ms INTEGER NOT NULL DEFAULT 0,
    requested_at_ms INTEGER NOT NULL,
    end_note TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS leases_open ON leases (state) WHERE state <> 'closed';
  CREATE TABLE IF NOT EXISTS receipts (
    receipt_id TEXT PRIMARY KEY,
    machine_key TEXT NOT NULL,
    hotkey TEXT NOT NULL,
    unit TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    receipt TEXT NOT NULL,
    grant TEXT NOT NULL,
    transcript_hash TEXT NOT NULL,
    transcript_kept INTEGER NOT NULL DEFAULT 1
  ) STRICT;
  CREATE INDEX IF NOT EXISTS receipts_by_unit ON receipts (machine_key, unit, ended_at_ms);
  CREATE INDEX IF NOT EXISTS receipts_by_machine ON receipts (machine_key, ended_at_ms);
  CREATE INDEX IF NOT EXISTS receipts_by_time ON receipts (ended_at_ms);
  CREATE INDEX IF NOT EXISTS receipts_of_unit ON receipts (unit, ended_at_ms);
  CREATE TABLE IF NOT EXISTS inventories (
    machine_key TEXT PRIMARY KEY, received_at_ms INTEGER NOT NULL, document TEXT NOT NULL, alarms TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS unit_standings (
    unit TEXT PRIMARY KEY, state TEXT NOT NULL, at_ms INTEGER NOT NULL, standing TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS unit_history (
    id INTEGER PRIMARY KEY, unit TEXT NOT NULL, at_ms INTEGER NOT NULL, standing TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS unit_history_of_unit ON unit_history (unit, id);
  CREATE TABLE IF NOT EXISTS machine_receipts (
    receipt_id TEXT PRIMARY KEY,
    machine_key TEXT NOT NULL,
    verdict TEXT NOT NULL,
    ended_at_ms INTEGER NOT NULL,
    receipt TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS machine_receipts_by_machine ON machine_receipts (machine_key, ended_at_ms);
  CREATE TABLE IF NOT EXISTS reached_ports (
    machine_key TEXT NOT NULL, port INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (machine_key, port)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS large_deploys (
    machine_key TEXT PRIMARY KEY, block INTEGER NOT NULL, at_ms INTEGER NOT NULL, verdict TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS seen_grants (
    machine_key TEXT NOT NULL, lease_id TEXT NOT NULL, seen_at_ms INTEGER NOT NULL, examined INTEGER NOT NULL DEFAULT 0,
    grant TEXT NOT NULL, PRIMARY KEY (machine_key, lease_id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS seen_grants_waiting ON seen_grants (seen_at_ms) WHERE examined = 0;
  CREATE TABLE IF NOT EXISTS double_grants (machine_key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, file TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY,
    receipt_id TEXT NOT NULL,
    market_url TEXT NOT NULL,
    market_key TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at_ms INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given-up')),
    last_error TEXT,
    UNIQUE (receipt_id, market_url)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (next_at_ms) WHERE state = 'waiting';
  CREATE TABLE IF NOT EXISTS visits (
    machine_key TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, count INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, entry TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS weights (
    epoch INTEGER PRIMARY KEY, state TEXT NOT NULL, row TEXT NOT NULL, answer TEXT, at_ms INTEGER NOT NULL
  ) STRICT;
`;

/** Opens (or makes) the state in `folder`. Throws `STATE_LOCKED` when another process holds it, `DISK_FULL` when it cannot grow. */
export function openDatabase(folder: string): DatabaseSync {
  makeFolder(folder);
  const lock = 'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;';
  return openSqlite(join(folder, 'validator.sqlite'), `${lock}${SCHEMA} BEGIN IMMEDIATE; COMMIT;`);
}

/** Makes a folder of the state. Throws `DISK_FULL`. */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ENOSPC') throw cause;
    throw new CeliumError('DISK_FULL', `No room for the folder ${folder}.`, { cause });
  }
}

/** Runs `work` in one transaction: all of it is on disk when this returns, or nothing is. Throws `DISK_FULL`. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  return guardSqlite(database.location() ?? 'the state', () => {
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      database.exec('COMMIT');
      return result;
    } catch (fault) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw fault;
    }
  });
}
