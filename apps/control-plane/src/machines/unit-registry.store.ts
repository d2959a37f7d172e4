/** Which GPUs of offers several registrations pass for, from the manifests and receipts that this market has. */
import {
  RECEIPT_VALID_MS,
  UNIT_HISTORY_MS,
  isCpuUnit,
  standingsOfUnits,
  type ListedUnit,
  type UnitCheck,
  type UnitStanding,
} from '@celium/domain';
import { sql } from 'kysely';
import type { Queries } from '../database/market-database.ts';

/** The most receipts of one registration of one GPU that are read: a month of checks by several validators. */
const MAX_CHECKS_PER_CLAIM = 5_000;

/**
 * Standings of those units that more than one listed machine has a fresh pass for. All others are out of dispute: a listing without a pass
 * takes nothing from anybody, and costs no more than one look at an index.
 */
export async function standingsInConflict(
  db: Queries,
  units: readonly string[],
  nowMs: number,
): Promise<Map<string, UnitStanding>> {
  const gpus = units.filter((unit) => !isCpuUnit(unit));
  if (gpus.length === 0) return new Map();
  const { rows: listed } = await sql<ListedUnit>`
    select unit, hotkey, "machineKey" from (
      select v.unit_id as unit, m.hotkey, m.machine_key as "machineKey", count(*) over (partition by v.unit_id) as claims
      from unit_verdicts v join machines m using (machine_key)
      where v.unit_id = any(${gpus}::text[]) and v.unit_id = any(m.units) and v.verdict = 'pass'
        and v.verified_at_ms >= ${nowMs - RECEIPT_VALID_MS}::bigint and m.revoked_at_ms is null and not m.simulated
    ) as proven where claims > 1`.execute(db);
  if (listed.length === 0) return new Map();
  return standingsOfUnits(listed, await checksOf(db, listed, nowMs), nowMs);
}

/** Announced checks only: decoys run at times of their own and move no GPU. */
async function checksOf(db: Queries, listed: readonly ListedUnit[], nowMs: number): Promise<UnitCheck[]> {
  const { rows } = await sql<Omit<UnitCheck, 'endedAtMs'> & { endedAtMs: bigint }>`
    select c.unit, c."machineKey", r.receipt_id as "receiptId", r.validator, r.verdict, r.ended_at_ms as "endedAtMs",
      r.document->'body'->>'hotkey' as hotkey, r.document->'body'->>'barrierId' as "barrierId",
      coalesce(r.document->'body'->>'networkBarrier' = 'true', false) as "networkBarrier"
    from unnest(${listed.map(({ unit }) => unit)}::text[], ${listed.map(({ machineKey }) => machineKey)}::text[])
      as c (unit, "machineKey")
    cross join lateral (
      select * from receipts
      where machine_key = c."machineKey" and unit_id = c.unit and ended_at_ms >= ${nowMs - UNIT_HISTORY_MS}::bigint
        and document->'body'->>'lease' is distinct from 'paid'
      order by ended_at_ms desc limit ${MAX_CHECKS_PER_CLAIM}
    ) as r`.execute(db);
  return rows.map((row) => ({ ...row, endedAtMs: Number(row.endedAtMs) }));
}
