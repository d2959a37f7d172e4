/** Alarms of hosts in PostgreSQL, and what a machine promised and was measured at. */
import { sql } from 'kysely';
import { RECEIPT_VALID_MS, type ExpectedHost, type HostAlarm } from '@celium/domain';
import type { Queries } from '../database/market-database.ts';

/** What the open offer of a machine promises, and the classes that were measured lately; null without an offer. */
export async function findExpectedHost(db: Queries, machineKey: string, nowMs: number): Promise<ExpectedHost | null> {
  const offer = await db
    .selectFrom('offers')
    .select(['units', 'host'])
    .where('machine_key', '=', machineKey)
    .where('closed_at_ms', 'is', null)
    .executeTakeFirst();
  if (offer === undefined) return null;
  const measured = await db
    .selectFrom('unit_verdicts')
    .select(['unit_id', 'class'])
    .where('machine_key', '=', machineKey)
    .where('verdict', '=', 'pass')
    .where('verified_at_ms', '>=', BigInt(nowMs - RECEIPT_VALID_MS))
    .execute();
  const { cpuCores, memoryBytes, diskBytes } = offer.host as {
    cpuCores: number;
    memoryBytes: number;
    diskBytes: number;
  };
  const measuredClass = new Map(measured.map((row) => [row.unit_id, row.class]));
  return { units: offer.units, cpuCores, memoryBytes, diskBytes, measuredClass };
}

/** Puts the alarms of an inventory in place of those of an older one. */
export async function saveHostAlarms(
  db: Queries,
  machineKey: string,
  seen: { takenAtMs: number; receivedAtMs: number; alarms: readonly HostAlarm[] },
): Promise<void> {
  await sql`
    insert into host_alarms (machine_key, taken_at_ms, received_at_ms, alarms)
    values (${machineKey}, ${seen.takenAtMs}::bigint, ${seen.receivedAtMs}::bigint, ${JSON.stringify(seen.alarms)}::json)
    on conflict (machine_key) do update set taken_at_ms = excluded.taken_at_ms, received_at_ms = excluded.received_at_ms,
      alarms = excluded.alarms
    where host_alarms.taken_at_ms <= excluded.taken_at_ms or excluded.received_at_ms < host_alarms.taken_at_ms`.execute(
    db,
  );
}
