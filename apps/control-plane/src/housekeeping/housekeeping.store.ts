/** Claimed ticks, and the moment at which the market was last alive, in PostgreSQL. */
import type { MarketMoment } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries } from '../database/market-database.ts';

/** True for the one replica that does this work now; the next time is `periodMs` later. */
export async function claimTick(db: Queries, name: string, nowMs: number, periodMs: number): Promise<boolean> {
  const { rows } = await sql<{ claimed: boolean }>`
    select claim_tick(${name}, ${nowMs}::bigint, ${periodMs}::bigint) as claimed`.execute(db);
  return rows[0]?.claimed === true;
}

/** Notes that the market is alive. */
export async function notePresence(db: Queries, moment: MarketMoment): Promise<void> {
  await sql`insert into market_presence as p (boot_id, alive_at_ms) values (${moment.bootId}, ${moment.atMs}::bigint)
    on conflict (boot_id) do update set alive_at_ms = greatest(p.alive_at_ms, excluded.alive_at_ms)`.execute(db);
}

/** When the market was last alive in this boot of the host, or null. */
export async function readPresence(db: Queries, bootId: string): Promise<number | null> {
  const row = await db
    .selectFrom('market_presence')
    .select('alive_at_ms')
    .where('boot_id', '=', bootId)
    .executeTakeFirst();
  return row === undefined ? null : Number(row.alive_at_ms);
}
