/** Rentals and bills as renters see them: the row, its money, its history. */
import type { Bill, Rental } from '@celium/contract';
import { isUnreachable } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries } from '../database/market-database.ts';
import { freeTime } from './bill.ts';
import type { RentalEvent, RentalRow } from './parts.ts';
import type { Rented } from './rent.flow.ts';

/** The user that a pod lets in. */
export const POD_USER = 'root';

interface Extra {
  held: bigint;
  charged: bigint;
  events: RentalEvent[];
}

/** A rental as the contract shows it. */
export async function showRental(db: Queries, row: RentalRow, nowMs: number): Promise<Rental> {
  const [shown] = await showRentals(db, [row], nowMs);
  return shown as Rental;
}

/** A rental just made: what there is to know of it is at hand. */
export function showNewRental(rented: Rented, nowMs: number): Rental {
  return show(rented.row, { held: rented.heldMicroUsd, charged: 0n, events: [rented.event] }, nowMs);
}

/** Rentals as the contract shows them, in the same order. */
export async function showRentals(db: Queries, rows: readonly RentalRow[], nowMs: number): Promise<Rental[]> {
  if (rows.length === 0) return [];
  const extras = await readExtras(
    db,
    rows.map((row) => row.rentalId),
  );
  return rows.map((row) => show(row, extras.get(row.rentalId) ?? { held: 0n, charged: 0n, events: [] }, nowMs));
}

/** The bill of a rental. */
export async function showBill(db: Queries, row: RentalRow, nowMs: number): Promise<Bill> {
  const settlements = await db
    .selectFrom('settlements')
    .select(['at_ms', 'billable_ms', 'charged_micro_usd'])
    .where('rental_id', '=', row.rentalId)
    .orderBy('settlement_id')
    .execute();
  const stopping = await db
    .selectFrom('rental_events')
    .select('at_ms')
    .where('rental_id', '=', row.rentalId)
    .where('state', '=', 'stopping')
    .orderBy('event_id')
    .executeTakeFirst();
  const stoppingAtMs = stopping === undefined ? null : Number(stopping.at_ms);
  return {
    rentalId: row.rentalId,
    state: row.rental.state,
    endReason: row.rental.endReason,
    class: row.class,
    priceMicroUsdPerHour: String(row.priceMicroUsdPerHour),
    createdAtMs: row.createdAtMs,
    readyAtMs: row.rental.readyAtMs,
    endedAtMs: row.endedAtMs,
    billableSeconds: row.meter.billableMs / 1_000,
    freeSeconds: freeTime({ ...row, stoppingAtMs }, nowMs),
    chargedMicroUsd: String(row.chargedMicroUsd),
    providerMicroUsd: String(row.providerMicroUsd),
    feeMicroUsd: String(row.feeMicroUsd),
    lines: settlements.map((line) => ({
      atMs: Number(line.at_ms),
      billableSeconds: Number(line.billable_ms) / 1_000,
      chargedMicroUsd: String(line.charged_micro_usd),
    })),
  };
}

async function readExtras(db: Queries, rentalIds: readonly string[]): Promise<Map<string, Extra>> {
  const { rows } = await sql<{ rental_id: string; held: bigint; charged: bigint; events: Extra['events'] | null }>`
    select r.rental_id, ledger_balance('renter:held:' || r.rental_id) as held, r.charged_micro_usd as charged,
      (select json_agg(json_build_object('atMs', e.at_ms, 'state', e.state, 'detail', e.detail) order by e.event_id)
        from rental_events e where e.rental_id = r.rental_id) as events
    from rentals r where r.rental_id = any(${[...rentalIds]}::uuid[])`.execute(db);
  return new Map(
    rows.map((row) => [row.rental_id, { held: row.held, charged: row.charged, events: row.events ?? [] }]),
  );
}

function show(row: RentalRow, extra: Extra, nowMs: number): Rental {
  const grant = row.grant?.body ?? null;
  const sshPort = grant?.ports.find((port) => port.pod === 22)?.host;
  return {
    rentalId: row.rentalId,
    offerId: row.offerId,
    machineId: row.machineId,
    class: row.class,
    units: row.units,
    state: row.rental.state,
    endReason: row.rental.endReason,
    detail: row.detail,
    unreachable: isUnreachable(row.rental, nowMs),
    priceMicroUsdPerHour: String(row.priceMicroUsdPerHour),
    check: row.rental.check,
    movedFrom: row.movedFrom,
    movedTo: row.movedTo,
    image: row.pod.image,
    createdAtMs: row.createdAtMs,
    readyAtMs: row.rental.readyAtMs,
    endedAtMs: row.endedAtMs,
    billableMs: row.meter.billableMs,
    chargedMicroUsd: String(extra.charged),
    heldMicroUsd: String(extra.held),
    ssh:
      grant === null || sshPort === undefined
        ? null
        : { host: row.publicHost, port: sshPort, user: POD_USER, hostKey: grant.hostKey },
    ports: grant?.ports ?? [],
    grant: row.grant,
    timeline: extra.events,
  };
}
