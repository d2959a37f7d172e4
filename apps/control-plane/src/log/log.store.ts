/** The public log in PostgreSQL: what waits to be published, and the chained entries. */
import type { LogEntry } from '@celium/contract';
import { EMPTY_LOG_HASH, nextLogEntry, type LogPosition } from '@celium/chain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

/** Any constant: who chains entries holds this advisory lock. */
const CHAIN_LOCK = 0x6c6f67;

/** Notes something for publication, in the transaction in which it happens. */
export async function notePending(tx: Tx, kind: string, body: unknown, nowMs: number): Promise<void> {
  await tx.db
    .insertInto('log_pending')
    .values({ kind, at_ms: nowMs, body: JSON.stringify(body) })
    .execute();
}

/** Chains at most `limit` noted bodies onto the log, in the order of their noting. Answers how many. */
export async function chainPending(tx: Tx, limit: number): Promise<number> {
  await sql`select pg_advisory_xact_lock(${CHAIN_LOCK})`.execute(tx.db);
  const pending = await tx.db.selectFrom('log_pending').selectAll().orderBy('pending_id').limit(limit).execute();
  if (pending.length === 0) return 0;
  let position = await readPosition(tx.db);
  const entries: LogEntry[] = [];
  for (const { kind, body, at_ms } of pending) {
    const entry = nextLogEntry(position, kind, body, Number(at_ms));
    entries.push(entry);
    position = { height: entry.seq, hash: entry.hash };
  }
  const rows = entries.map((entry) => ({ seq: entry.seq, entry: JSON.stringify(entry), hash: entry.hash }));
  await tx.db.insertInto('public_log').values(rows).execute();
  const ids = pending.map((row) => row.pending_id);
  await tx.db.deleteFrom('log_pending').where('pending_id', 'in', ids).execute();
  return pending.length;
}

/** How far the log has come. */
export async function readPosition(db: Queries): Promise<LogPosition> {
  const last = await db
    .selectFrom('public_log')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last === undefined ? { height: 0, hash: EMPTY_LOG_HASH } : { height: Number(last.seq), hash: last.hash };
}

/** Entries from sequence number `from` on. */
export async function readEntries(db: Queries, from: number, limit: number): Promise<LogEntry[]> {
  const rows = await db
    .selectFrom('public_log')
    .select('entry')
    .where('seq', '>=', BigInt(from))
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map((row) => row.entry as LogEntry);
}
