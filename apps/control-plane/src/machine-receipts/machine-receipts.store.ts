/** Machine receipts in PostgreSQL, and the verdict on each part of a machine that follows from them. */
import type { MachineReceipt, Signed } from '@celium/contract';
import { MACHINE_PARTS, MACHINE_RECEIPT_VALID_MS, machineStanding } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

/** Words of one machine that decide about it: more than all its validators write in the time that they count. */
const MAX_WORDS = 2_000;

/** Stores a machine receipt; false when it was stored before. */
export async function insertMachineReceipt(
  tx: Tx,
  receipt: Signed<'machine-receipt'>,
  nowMs: number,
): Promise<boolean> {
  const { body } = receipt;
  const inserted = await tx.db
    .insertInto('machine_receipts')
    .values({
      receipt_id: body.receiptId,
      machine_key: body.machineKey,
      validator: body.validator,
      ended_at_ms: body.endedAtMs,
      received_at_ms: nowMs,
      document: JSON.stringify(receipt),
    })
    .onConflict((conflict) => conflict.column('receipt_id').doNothing())
    .returning('receipt_id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Works the verdicts on a machine's parts out anew from the newest valid words of each validator. */
export async function refreshStanding(tx: Tx, machineKey: string, nowMs: number): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`machine:${machineKey}`}, 0))`.execute(tx.db);
  const rows = await tx.db
    .selectFrom('machine_receipts')
    .select('document')
    .where('machine_key', '=', machineKey)
    .where('ended_at_ms', '>=', BigInt(nowMs - MACHINE_RECEIPT_VALID_MS))
    .orderBy('ended_at_ms', 'desc')
    .limit(MAX_WORDS)
    .execute();
  const words = rows.map(({ document }): MachineReceipt => (document as Signed<'machine-receipt'>).body);
  const standing = machineStanding(words, nowMs);
  for (const part of MACHINE_PARTS) {
    const word = standing.parts[part];
    if (word === null) continue;
    const values = {
      verdict: standing.failed.includes(part) ? ('fail' as const) : ('pass' as const),
      tested_at_ms: word.endedAtMs,
      receipt_id: word.receiptId,
      validator: word.validator,
      findings: JSON.stringify(word.parts[part]),
    };
    await tx.db
      .insertInto('machine_part_verdicts')
      .values({ machine_key: machineKey, part, ...values })
      .onConflict((conflict) => conflict.columns(['machine_key', 'part']).doUpdateSet(values))
      .execute();
  }
}

/** Whom a machine key belongs to here, or null when it is not known or revoked. */
export async function findListed(
  db: Queries,
  machineKey: string,
): Promise<{ hotkey: string; machineId: string; simulated: boolean } | null> {
  const row = await db
    .selectFrom('machines')
    .select(['hotkey', 'machine_id as machineId', 'simulated'])
    .where('machine_key', '=', machineKey)
    .where('revoked_at_ms', 'is', null)
    .executeTakeFirst();
  return row ?? null;
}

/** Machine receipts of a machine, newest first, as they were signed. */
export async function listMachineReceipts(
  db: Queries,
  machineKey: string,
  limit: number,
): Promise<Array<Signed<'machine-receipt'>>> {
  const rows = await db
    .selectFrom('machine_receipts')
    .select('document')
    .where('machine_key', '=', machineKey)
    .orderBy('ended_at_ms', 'desc')
    .limit(limit)
    .execute();
  return rows.map((row) => row.document as Signed<'machine-receipt'>);
}
