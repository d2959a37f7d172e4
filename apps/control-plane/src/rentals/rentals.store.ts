/** Rentals, the units they hold and what happened to them, in PostgreSQL. */
import type { MoveReason, Signed } from '@celium/contract';
import {
  GRANT_TIMEOUT_MS,
  START_TIMEOUT_MS,
  UNREACHABLE_END_MS,
  type EndReason,
  type MeterState,
  type PodSpec,
} from '@celium/domain';
import { sql, type Selectable } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';
import type { Database } from '../database/schema.ts';
import type { PodKey, RentalEvent, RentalRow } from './parts.ts';
import { RENTAL_CHANNEL } from './signals.ts';

/**
 * Stores a new rental with its first event, and reserves its units, in one statement. A unit that another rental holds breaks
 * `one_open_reservation_per_unit`.
 */
export async function insertRental(tx: Tx, row: RentalRow, event: RentalEvent): Promise<void> {
  const values = {
    rental_id: row.rentalId,
    account_id: row.accountId,
    offer_id: row.offerId,
    request_id: row.requestId,
    request_hash: row.requestHash,
    machine_key: row.machineKey,
    machine_id: row.machineId,
    hotkey: row.hotkey,
    units: row.units,
    class: row.class,
    price_micro_usd_per_hour: row.priceMicroUsdPerHour,
    fee_basis_points: row.feeBasisPoints,
    payout_coldkey: row.payoutColdkey,
    pod: JSON.stringify(row.pod),
    public_host: row.publicHost,
    created_at_ms: row.createdAtMs,
    move_on: row.moveOn,
    moved_from: row.movedFrom,
    ...changingColumns(row),
  };
  const units = row.units.map((unit) => ({
    rental_id: row.rentalId,
    machine_key: row.machineKey,
    unit_id: unit,
    released_at_ms: null,
  }));
  await tx.db
    .with('rented', (db) => db.insertInto('rentals').values(values))
    .with('reserved', (db) => db.insertInto('unit_reservations').values(units))
    .insertInto('rental_events')
    .values({ rental_id: row.rentalId, at_ms: event.atMs, state: event.state, detail: event.detail })
    .execute();
}

export async function releaseUnits(tx: Tx, rentalId: string, nowMs: number): Promise<void> {
  await tx.db
    .updateTable('unit_reservations')
    .set({ released_at_ms: nowMs })
    .where('rental_id', '=', rentalId)
    .where('released_at_ms', 'is', null)
    .execute();
}

/** A rental with its row locked until the transaction ends, or null. */
export async function lockRental(tx: Tx, rentalId: string): Promise<RentalRow | null> {
  const row = await tx.db
    .selectFrom('rentals')
    .selectAll()
    .where('rental_id', '=', rentalId)
    .forUpdate()
    .executeTakeFirst();
  return row === undefined ? null : fromRow(row);
}

/** Writes what may change of a rental. */
export async function saveRental(tx: Tx, row: RentalRow): Promise<void> {
  await tx.db.updateTable('rentals').set(changingColumns(row)).where('rental_id', '=', row.rentalId).execute();
}

/** Notes which rental took over from an ended one. */
export async function noteMoved(tx: Tx, rentalId: string, movedTo: string): Promise<void> {
  await tx.db.updateTable('rentals').set({ moved_to: movedTo }).where('rental_id', '=', rentalId).execute();
}

/** Notes a change for the renter, and tells the other replicas. */
export async function addEvent(tx: Tx, rentalId: string, event: RentalEvent): Promise<void> {
  await sql`with noted as (
      insert into rental_events (rental_id, at_ms, state, detail)
      values (${rentalId}::uuid, ${event.atMs}::bigint, ${event.state}, ${event.detail}) returning rental_id
    ) select pg_notify(${RENTAL_CHANNEL}, rental_id::text) from noted`.execute(tx.db);
}

/** The rental of an agent's lease by the names that the agent knows: lease id, or request id before the grant is in. */
export async function findByLease(
  db: Queries,
  machineKey: string,
  names: { leaseId: string; requestId: string },
): Promise<RentalRow | null> {
  const row = await db
    .selectFrom('rentals')
    .selectAll()
    .where('machine_key', '=', machineKey)
    .where((where) => where.or([where('lease_id', '=', names.leaseId), where('request_id', '=', names.requestId)]))
    .executeTakeFirst();
  return row === undefined ? null : fromRow(row);
}

/** The rental of a lease request, or null. */
export async function findByRequest(db: Queries, machineKey: string, requestId: string): Promise<RentalRow | null> {
  return findByLease(db, machineKey, { leaseId: requestId, requestId });
}

/** One rental, read without a lock. */
export async function readRental(db: Queries, rentalId: string): Promise<RentalRow | null> {
  const row = await db.selectFrom('rentals').selectAll().where('rental_id', '=', rentalId).executeTakeFirst();
  return row === undefined ? null : fromRow(row);
}

/** Rentals of an account, newest first. */
export async function listRentals(
  db: Queries,
  accountId: string,
  filter: { all: boolean; limit: number },
): Promise<RentalRow[]> {
  let query = db.selectFrom('rentals').selectAll().where('account_id', '=', accountId);
  if (!filter.all) query = query.where('state', '<>', 'ended');
  const rows = await query.orderBy('created_at_ms', 'desc').limit(filter.limit).execute();
  return rows.map(fromRow);
}

/** Rentals of an account whose pods accept an SSH key and may still run. */
export async function listWithSshKey(tx: Tx, accountId: string, keyId: string): Promise<string[]> {
  const { rows } = await sql<{ rental_id: string }>`
    select rental_id from rentals where account_id = ${accountId}::uuid and state in ('reserved', 'starting', 'running')
      and exists (select from json_array_elements(ssh_keys) k where k->>'id' = ${keyId})
    order by rental_id`.execute(tx.db);
  return rows.map((row) => row.rental_id);
}

/** Leases that the market believes to be open at a machine. */
export async function listOpenLeases(
  db: Queries,
  machineKey: string,
): Promise<Array<{ rentalId: string; leaseId: string }>> {
  const rows = await db
    .selectFrom('rentals')
    .select(['rental_id', 'lease_id'])
    .where('machine_key', '=', machineKey)
    .where('units_released', '=', false)
    .where('lease_id', 'is not', null)
    .execute();
  return rows.map((row) => ({ rentalId: row.rental_id, leaseId: row.lease_id ?? '' }));
}

/** Rentals whose pods are to be probed, except those of agents that another live replica serves. */
export async function listProbed(db: Queries, replicaId: string, nowMs: number): Promise<RentalRow[]> {
  const rows = await db
    .selectFrom('rentals')
    .selectAll('rentals')
    .leftJoin('agent_sessions', 'agent_sessions.machine_key', 'rentals.machine_key')
    .where('state', 'in', ['starting', 'running'])
    .where((where) =>
      where.or([
        where('agent_sessions.machine_key', 'is', null),
        where('agent_sessions.replica_id', '=', replicaId),
        where('agent_sessions.alive_until_ms', '<', BigInt(nowMs)),
      ]),
    )
    .execute();
  return rows.map(fromRow);
}

/** Ids of rentals that run. */
export async function listRunning(db: Queries): Promise<string[]> {
  const rows = await db
    .selectFrom('rentals')
    .select('rental_id')
    .where('state', '=', 'running')
    .orderBy('rental_id')
    .execute();
  return rows.map((row) => row.rental_id);
}

/** Ids of rentals for which a deadline may have passed. */
export async function listOverdue(db: Queries, nowMs: number): Promise<string[]> {
  const { rows } = await sql<{ rental_id: string }>`
    select rental_id from rentals where state <> 'ended' and (
      (state in ('reserved', 'stopping') and since_ms < ${nowMs - GRANT_TIMEOUT_MS}::bigint)
      or (state = 'starting' and since_ms < ${nowMs - START_TIMEOUT_MS}::bigint)
      or (state = 'running' and agent_seen_at_ms < ${nowMs - UNREACHABLE_END_MS}::bigint))
    order by rental_id limit 1000`.execute(db);
  return rows.map((row) => row.rental_id);
}

/** Marks the terms that were last renewed before `beforeMs` as renewed now, and answers which leases those are. */
export async function takeDueRenewals(
  tx: Tx,
  beforeMs: number,
  nowMs: number,
): Promise<Array<{ rentalId: string; machineKey: string }>> {
  const { rows } = await sql<{ rental_id: string; machine_key: string }>`
    update rentals set term_renewed_at_ms = ${nowMs}::bigint
    where state in ('starting', 'running') and term_renewed_at_ms < ${beforeMs}::bigint
    returning rental_id, machine_key`.execute(tx.db);
  return rows.map((row) => ({ rentalId: row.rental_id, machineKey: row.machine_key }));
}

/** Takes the next sequence number of a lease: stored before the command is sent. Answers it with the lease, or null before the grant. */
export async function takeSequence(db: Queries, rentalId: string): Promise<RentalRow | null> {
  const row = await db
    .updateTable('rentals')
    .set((set) => ({ sequence: set('sequence', '+', 1) }))
    .where('rental_id', '=', rentalId)
    .where('lease_id', 'is not', null)
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? null : fromRow(row);
}

function changingColumns(row: RentalRow) {
  return {
    ssh_keys: JSON.stringify(row.sshKeys),
    state: row.rental.state,
    end_reason: row.rental.endReason,
    since_ms: row.rental.sinceMs,
    check_until_ms: row.rental.check?.untilMs ?? null,
    check_verdict: row.rental.check?.verdict ?? null,
    granted: row.rental.granted,
    agent_ready: row.rental.agentReady,
    probe_ready: row.rental.probeReady,
    agent_seen_at_ms: row.rental.agentSeenAtMs,
    ready_at_ms: row.rental.readyAtMs,
    units_released: row.rental.unitsReleased,
    ended_at_ms: row.endedAtMs,
    detail: row.detail,
    lease_id: row.leaseId,
    fence: row.fence,
    lease_grant: row.grant === null ? null : JSON.stringify(row.grant),
    sequence: row.sequence,
    term_renewed_at_ms: row.termRenewedAtMs,
    meter: JSON.stringify(row.meter),
    billable_ms: row.meter.billableMs,
    market_away_ms: row.meter.freeMs.marketAway,
  };
}

function fromRow(row: Selectable<Database['rentals']>): RentalRow {
  return {
    rentalId: row.rental_id,
    accountId: row.account_id,
    offerId: row.offer_id,
    requestId: row.request_id,
    requestHash: row.request_hash,
    machineKey: row.machine_key,
    machineId: row.machine_id,
    hotkey: row.hotkey,
    units: row.units,
    class: row.class,
    priceMicroUsdPerHour: row.price_micro_usd_per_hour,
    feeBasisPoints: row.fee_basis_points,
    payoutColdkey: row.payout_coldkey,
    pod: row.pod as PodSpec,
    sshKeys: row.ssh_keys as PodKey[],
    publicHost: row.public_host,
    createdAtMs: Number(row.created_at_ms),
    moveOn: row.move_on as MoveReason[],
    movedFrom: row.moved_from,
    movedTo: row.moved_to,
    rental: {
      state: row.state,
      endReason: row.end_reason as EndReason | null,
      sinceMs: Number(row.since_ms),
      check: row.check_until_ms === null ? null : { untilMs: Number(row.check_until_ms), verdict: row.check_verdict },
      granted: row.granted,
      agentReady: row.agent_ready,
      probeReady: row.probe_ready,
      agentSeenAtMs: Number(row.agent_seen_at_ms),
      readyAtMs: numberOrNull(row.ready_at_ms),
      unitsReleased: row.units_released,
    },
    endedAtMs: numberOrNull(row.ended_at_ms),
    detail: row.detail,
    leaseId: row.lease_id,
    fence: numberOrNull(row.fence),
    grant: row.lease_grant as Signed<'grant'> | null,
    sequence: row.sequence,
    termRenewedAtMs: numberOrNull(row.term_renewed_at_ms),
    meter: row.meter as MeterState,
    chargedMicroUsd: row.charged_micro_usd,
    providerMicroUsd: row.provider_micro_usd,
    feeMicroUsd: row.fee_micro_usd,
  };
}

function numberOrNull(value: bigint | null): number | null {
  return value === null ? null : Number(value);
}
