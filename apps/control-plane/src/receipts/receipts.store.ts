/** Receipts in PostgreSQL, and the verdict on each unit that follows from them. */
import type { Receipt, Signed } from '@celium/contract';
import { BARRIERS_THAT_COUNT, RECEIPT_VALID_MS, decidingReceipt, type UnitReceipt } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

/** Stores a receipt; false when it was stored before. */
export async function insertReceipt(tx: Tx, receipt: Signed<'receipt'>, nowMs: number): Promise<boolean> {
  const { body } = receipt;
  const inserted = await tx.db
    .insertInto('receipts')
    .values({
      receipt_id: body.receiptId,
      machine_key: body.machineKey,
      unit_id: body.unit,
      validator: body.validator,
      verdict: body.verdict,
      ended_at_ms: body.endedAtMs,
      received_at_ms: nowMs,
      document: JSON.stringify(receipt),
    })
    .onConflict((conflict) => conflict.column('receipt_id').doNothing())
    .returning('receipt_id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Works the verdict on a unit out anew from the newest valid receipts of each validator: announced check, decoy, and the newest barriers. */
export async function refreshVerdict(tx: Tx, machineKey: string, unitId: string, nowMs: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`verdict:${machineKey}:${unitId}`}, 0))`.execute(tx.db);
  const { rows } = await sql<{ document: Signed<'receipt'> }>`
    with valid as (
      select receipt_id, document, validator, ended_at_ms,
        document->'body'->>'lease' as lease, document->'body'->>'networkBarrier' as at_barrier
      from receipts
      where machine_key = ${machineKey} and unit_id = ${unitId} and ended_at_ms >= ${nowMs - RECEIPT_VALID_MS}::bigint
    ), placed as (
      select receipt_id, document, at_barrier,
        row_number() over (partition by validator, lease order by ended_at_ms desc) as place,
        row_number() over (partition by validator, at_barrier order by ended_at_ms desc) as place_at_barriers
      from valid
    )
    select document from placed
    where place = 1 or (at_barrier = 'true' and place_at_barriers <= ${BARRIERS_THAT_COUNT})`.execute(tx.db);
  const receipts = rows.map(({ document }): UnitReceipt & { body: Receipt } => ({
    receiptId: document.body.receiptId,
    validator: document.body.validator,
    verdict: document.body.verdict,
    endedAtMs: document.body.endedAtMs,
    paid: document.body.lease === 'paid',
    networkBarrier: document.body.networkBarrier === true,
    body: document.body,
  }));
  const deciding = decidingReceipt(receipts, nowMs);
  if (deciding === null) return;
  const values = {
    verdict: deciding.verdict,
    class: deciding.body.measured.class,
    verified_at_ms: deciding.endedAtMs,
    receipt_id: deciding.receiptId,
    measured: JSON.stringify(figuresOf(deciding.body)),
  };
  await tx.db
    .insertInto('unit_verdicts')
    .values({ machine_key: machineKey, unit_id: unitId, ...values })
    .onConflict((conflict) => conflict.columns(['machine_key', 'unit_id']).doUpdateSet(values))
    .execute();
}

/** What a machine key sells, or null when it is not known or revoked. */
export async function findMachine(
  db: Queries,
  machineKey: string,
): Promise<{ hotkey: string; machineId: string; units: string[]; simulated: boolean } | null> {
  const row = await db
    .selectFrom('machines')
    .select(['hotkey', 'machine_id', 'units', 'simulated'])
    .where('machine_key', '=', machineKey)
    .where('revoked_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined
    ? null
    : { hotkey: row.hotkey, machineId: row.machine_id, units: row.units, simulated: row.simulated };
}

/** Receipts of a machine, newest first, as they were signed. */
export async function listReceipts(db: Queries, machineKey: string, limit: number): Promise<Array<Signed<'receipt'>>> {
  const rows = await db
    .selectFrom('receipts')
    .select('document')
    .where('machine_key', '=', machineKey)
    .orderBy('ended_at_ms', 'desc')
    .limit(limit)
    .execute();
  return rows.map((row) => row.document as Signed<'receipt'>);
}

function figuresOf(receipt: Receipt): Record<string, number | string> {
  const figures = Object.entries(receipt.measured).filter(
    (entry): entry is [string, number | string] => typeof entry[1] === 'number' || typeof entry[1] === 'string',
  );
  return Object.fromEntries(figures);
}
