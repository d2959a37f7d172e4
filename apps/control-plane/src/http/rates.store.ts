/** Rate limits, counted in PostgreSQL so that all replicas share them. */
import { sql } from 'kysely';
import type { Queries } from '../database/market-database.ts';

/** Takes one from a bucket; 0, or the milliseconds to wait. */
export async function takeRate(
  db: Queries,
  bucket: string,
  nowMs: number,
  limit: { count: number; windowMs: number },
): Promise<number> {
  const { rows } = await sql<{ wait_ms: bigint }>`
    select take_rate(${bucket}, ${nowMs}, ${limit.windowMs}, ${limit.count}) as wait_ms`.execute(db);
  return Number(rows[0]?.wait_ms ?? 0n);
}

/** Gives back what a bucket counted: a good log-in is no guess. */
export async function clearRate(db: Queries, bucket: string): Promise<void> {
  await db.deleteFrom('rate_windows').where('bucket', '=', bucket).execute();
}

/** Forgets windows that nobody counts in any more. */
export async function forgetOldRates(db: Queries, nowMs: number): Promise<void> {
  await db
    .deleteFrom('rate_windows')
    .where('opened_at_ms', '<', BigInt(nowMs - 3_600_000))
    .execute();
}
