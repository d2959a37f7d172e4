/**
 * Leases, fences, ports and tombstones on disk (node:sqlite). What a method returned from is on disk; all leases are kept in memory too.
 *
 * One process at a time: the file is locked while it is open. A unit has one row in `held_units` while a lease holds it, so the
 * database itself refuses a second lease.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CeliumError } from '@celium/contract';
import type { LeaseRecord } from './lease-record.ts';

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS fences (unit TEXT PRIMARY KEY, fence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS leases (
    lease_id TEXT PRIMARY KEY,
    authority TEXT NOT NULL,
    request_id TEXT NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (authority, request_id)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS held_units (unit TEXT PRIMARY KEY, lease_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS held_ports (port INTEGER PRIMARY KEY, lease_id TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS tombstones (
    authority TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (authority, request_id)
  ) STRICT, WITHOUT ROWID;
`;

/** Opens, reads and changes the file. Every change throws `DISK_FULL` when it cannot be written, and then nothing has changed. */
export class LeaseStore {
  readonly #database: DatabaseSync;
  readonly #leases = new Map<string, LeaseRecord>();
  readonly #saveLease: StatementSync;
  readonly #saveFence: StatementSync;
  readonly #holdUnit: StatementSync;
  readonly #holdPort: StatementSync;
  readonly #dropUnits: StatementSync;
  readonly #dropPorts: StatementSync;
  readonly #bury: StatementSync;
  readonly #findTombstone: StatementSync;

  /** Throws `STATE_LOCKED` when another process has the file open, `UNSUPPORTED` for a newer file, `DISK_FULL`. */
  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    try {
      this.#open(file);
    } catch (fault) {
      this.#database.close();
      throw fault;
    }
    const prepare = (sql: string): StatementSync => this.#database.prepare(sql);
    this.#saveLease = prepare(
      'INSERT INTO leases (lease_id, authority, request_id, record) VALUES (?, ?, ?, ?) ON CONFLICT (lease_id) DO UPDATE SET record = excluded.record',
    );
    this.#saveFence = prepare(
      'INSERT INTO fences (unit, fence) VALUES (?, ?) ON CONFLICT (unit) DO UPDATE SET fence = excluded.fence WHERE excluded.fence > fence',
    );
    this.#holdUnit = prepare('INSERT INTO held_units (unit, lease_id) VALUES (?, ?)');
    this.#holdPort = prepare('INSERT INTO held_ports (port, lease_id) VALUES (?, ?)');
    this.#dropUnits = prepare('DELETE FROM held_units WHERE lease_id = ?');
    this.#dropPorts = prepare('DELETE FROM held_ports WHERE lease_id = ?');
    this.#bury = prepare('INSERT OR IGNORE INTO tombstones (authority, request_id, at_ms) VALUES (?, ?, ?)');
    this.#findTombstone = prepare('SELECT 1 AS found FROM tombstones WHERE authority = ? AND request_id = ?');
    for (const row of prepare('SELECT record FROM leases').all() as unknown as Array<{ record: string }>) {
      const record = JSON.parse(row.record) as LeaseRecord;
      this.#leases.set(record.leaseId, record);
    }
  }

  /** Every lease on record, ended ones included until they are forgotten. */
  all(): LeaseRecord[] {
    return [...this.#leases.values()];
  }

  /** Leases whose pod may still be there: they hold their units. */
  open(): LeaseRecord[] {
    return this.all().filter((record) => record.gone === null);
  }

  lease(leaseId: string): LeaseRecord | undefined {
    return this.#leases.get(leaseId);
  }

  /** The last fence ever given, per unit. */
  fences(): Map<string, number> {
    const rows = this.#database.prepare('SELECT unit, fence FROM fences').all() as unknown as Array<{
      unit: string;
      fence: number;
    }>;
    return new Map(rows.map((row) => [row.unit, row.fence]));
  }

  /** Ports that a lease holds. */
  heldPorts(): Set<number> {
    const rows = this.#database.prepare('SELECT port FROM held_ports').all() as unknown as Array<{ port: number }>;
    return new Set(rows.map((row) => row.port));
  }

  /** True when this authority's request was granted and ended before, or stopped before it came. */
  isBuried(authority: string, requestId: string): boolean {
    return this.#findTombstone.get(authority, requestId) !== undefined;
  }

  /** A new lease: its fence, units and ports are taken in the same step. */
  grant(record: LeaseRecord): void {
    const { body } = record.grant;
    this.#change(true, () => {
      this.#write(record);
      for (const unit of body.units) {
        this.#holdUnit.run(unit, record.leaseId);
        this.#saveFence.run(unit, body.fence);
      }
      for (const { host } of body.ports) this.#holdPort.run(host, record.leaseId);
    });
    this.#leases.set(record.leaseId, record);
  }

  /** The same lease under a grant with other ports; no container has them yet. */
  regrant(leaseId: string, grant: LeaseRecord['grant']): LeaseRecord {
    return this.#patch(leaseId, { grant, podInstance: null }, true, () => {
      this.#dropPorts.run(leaseId);
      for (const { host } of grant.body.ports) this.#holdPort.run(host, leaseId);
    });
  }

  /** Changes a lease and returns it. `durable: false` survives a crash of the agent but perhaps not a loss of power. */
  update(leaseId: string, change: Partial<LeaseRecord>, durable = true): LeaseRecord {
    return this.#patch(leaseId, change, durable);
  }

  /** The lease ends: decided, and its request can never be granted again. */
  end(leaseId: string, end: NonNullable<LeaseRecord['end']>, change: Partial<LeaseRecord> = {}): LeaseRecord {
    return this.#patch(leaseId, { ...change, end }, true, ({ authority, requestId }) => {
      this.#bury.run(authority, requestId, Math.floor(end.atMs));
    });
  }

  /** Nothing of the lease's pod is left: units and ports are free. */
  release(leaseId: string, gone: NonNullable<LeaseRecord['gone']>): LeaseRecord {
    return this.#patch(leaseId, { gone }, true, () => {
      this.#dropUnits.run(leaseId);
      this.#dropPorts.run(leaseId);
    });
  }

  /** A stop that came for a request we have no lease of: should the request come later, it is refused. */
  bury(authority: string, requestId: string, atMs: number): void {
    this.#change(true, () => void this.#bury.run(authority, requestId, Math.floor(atMs)));
  }

  /** Forgets an ended lease; its tombstone stays. */
  forget(leaseId: string): void {
    this.#change(false, () => void this.#database.prepare('DELETE FROM leases WHERE lease_id = ?').run(leaseId));
    this.#leases.delete(leaseId);
  }

  /** Forgets tombstones older than a moment; requests that old are refused by their date. */
  forgetTombstonesBefore(atMs: number): void {
    this.#change(
      false,
      () => void this.#database.prepare('DELETE FROM tombstones WHERE at_ms < ?').run(Math.floor(atMs)),
    );
  }

  /** A small fact that survives restarts. */
  fact(name: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM facts WHERE name = ?').get(name);
    return row === undefined ? undefined : String(row.value);
  }

  setFact(name: string, value: string): void {
    this.#change(true, () => {
      this.#database
        .prepare(
          'INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
        )
        .run(name, value);
    });
  }

  close(): void {
    this.#database.close();
  }

  #open(file: string): void {
    try {
      this.#database.exec(`
        PRAGMA busy_timeout = 0;
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        BEGIN IMMEDIATE;
        ${SCHEMA}
        COMMIT;
      `);
    } catch (cause) {
      if (isFull(cause)) throw diskFull(cause);
      throw new CeliumError('STATE_LOCKED', `another agent uses ${file}, or it cannot be written: ${String(cause)}`, {
        cause,
      });
    }
    const version = this.fact('schema-version');
    if (version === undefined) this.setFact('schema-version', String(SCHEMA_VERSION));
    else if (Number(version) > SCHEMA_VERSION) {
      throw new CeliumError('UNSUPPORTED', `${file} was written by a newer agent (schema ${version}): update this one`);
    }
  }

  #patch(
    leaseId: string,
    change: Partial<LeaseRecord>,
    durable: boolean,
    beside: (body: LeaseRecord['grant']['body']) => void = () => undefined,
  ): LeaseRecord {
    const before = this.#leases.get(leaseId);
    if (before === undefined) throw new RangeError(`lease ${leaseId} is not on record`);
    const record = { ...before, ...change };
    this.#change(durable, () => {
      this.#write(record);
      beside(record.grant.body);
    });
    this.#leases.set(leaseId, record);
    return record;
  }

  #write(record: LeaseRecord): void {
    const { authority, requestId } = record.grant.body;
    this.#saveLease.run(record.leaseId, authority, requestId, JSON.stringify(record));
  }

  #change(durable: boolean, act: () => void): void {
    this.#database.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}; BEGIN IMMEDIATE`);
    try {
      act();
      this.#database.exec('COMMIT');
    } catch (fault) {
      // After "disk is full" SQLite has rolled back by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw isFull(fault) ? diskFull(fault) : fault;
    }
  }
}

function isFull(fault: unknown): boolean {
  return /disk is full|ENOSPC|no space left/i.test(String(fault));
}

function diskFull(cause: unknown): CeliumError {
  return new CeliumError('DISK_FULL', 'the agent’s state folder cannot grow: its disk is full', { cause });
}
