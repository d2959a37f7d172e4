/** Checks before a hand-over in PostgreSQL: the row is the job, claimed with a fence; and the receipts that decide about it. */
import type { Receipt, Signed } from '@celium/contract';
import type { HandOverReceipt } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

/** A check that this replica has claimed. */
export interface HandOverClaim {
  rentalId: string;
  claimToken: bigint;
}

interface ClaimRow {
  rental_id: string;
  claim_token: bigint;
}

/** Writes a check, with `claimedUntilMs` claimed by the writer. */
export async function addHandOver(
  tx: Tx,
  rentalId: string,
  request: Signed<'lease-request'>,
  claimedUntilMs: number | null,
): Promise<HandOverClaim> {
  const { rows } = await sql<ClaimRow>`
    insert into hand_overs (rental_id, request, claim_token, claimed_until_ms)
    values (${rentalId}::uuid, ${JSON.stringify(request)}::json, nextval('hand_over_claims'), ${claimedUntilMs}::bigint)
    returning rental_id, claim_token`.execute(tx.db);
  return fromRow(rows[0] as ClaimRow);
}

/** Claims checks that nobody has claimed, or whose claim has run out; not those that are under way here, however late their claim is kept. */
export async function claimHandOvers(
  db: Queries,
  nowMs: number,
  claimMs: number,
  limit: number,
  underWay: readonly string[],
): Promise<HandOverClaim[]> {
  const { rows } = await sql<ClaimRow>`
    update hand_overs h set claim_token = nextval('hand_over_claims'), claimed_until_ms = ${nowMs + claimMs}::bigint
    where h.rental_id in (
      select free.rental_id from hand_overs free
      where (free.claimed_until_ms is null or free.claimed_until_ms <= ${nowMs}::bigint)
        and free.rental_id <> all(${[...underWay]}::uuid[])
      limit ${limit} for update skip locked)
    returning h.rental_id, h.claim_token`.execute(db);
  return rows.map(fromRow);
}

/** Makes a claim last until `untilMs`; false when it is not ours any more, or the check is over. */
export async function keepHandOver(db: Queries, claim: HandOverClaim, untilMs: number): Promise<boolean> {
  const kept = await db
    .updateTable('hand_overs')
    .set({ claimed_until_ms: untilMs })
    .where('rental_id', '=', claim.rentalId)
    .where('claim_token', '=', claim.claimToken)
    .returning('rental_id')
    .executeTakeFirst();
  return kept !== undefined;
}

/** Gives a claim back: another replica, or the next start, takes it over at once. */
export async function giveBackHandOver(db: Queries, claim: HandOverClaim): Promise<void> {
  await db
    .updateTable('hand_overs')
    .set({ claimed_until_ms: null })
    .where('rental_id', '=', claim.rentalId)
    .where('claim_token', '=', claim.claimToken)
    .execute();
}

/** Ends a check, and answers the lease request that waited for it; null when it was ended before. */
export async function takeHandOver(tx: Tx, rentalId: string): Promise<Signed<'lease-request'> | null> {
  const row = await tx.db
    .deleteFrom('hand_overs')
    .where('rental_id', '=', rentalId)
    .returning('request')
    .executeTakeFirst();
  return row === undefined ? null : (row.request as Signed<'lease-request'>);
}

/** Receipts of units that came in at or after `sinceMs`, with what they say of why. */
export async function receiptsSince(
  db: Queries,
  machineKey: string,
  units: readonly string[],
  sinceMs: number,
): Promise<Array<HandOverReceipt & Pick<Receipt, 'reason'>>> {
  const rows = await db
    .selectFrom('receipts')
    .select(['document', 'received_at_ms'])
    .where('machine_key', '=', machineKey)
    .where('unit_id', 'in', units)
    .where('received_at_ms', '>=', BigInt(sinceMs))
    .orderBy('ended_at_ms', 'desc')
    .limit(1_000)
    .execute();
  return rows.map((row) => {
    const { unit, verdict, measured, startedAtMs, reason } = (row.document as Signed<'receipt'>).body;
    return { unit, verdict, class: measured.class, startedAtMs, receivedAtMs: Number(row.received_at_ms), reason };
  });
}

/** Validators that have published receipts of a machine, the newest first: they know its manifest. */
export async function validatorsOf(db: Queries, machineKey: string): Promise<string[]> {
  const { rows } = await sql<{ validator: string }>`
    select validator from receipts where machine_key = ${machineKey}
    group by validator order by max(ended_at_ms) desc limit 64`.execute(db);
  return rows.map((row) => row.validator);
}

function fromRow(row: ClaimRow): HandOverClaim {
  return { rentalId: row.rental_id, claimToken: row.claim_token };
}
