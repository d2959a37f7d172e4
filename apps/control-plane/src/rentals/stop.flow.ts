/** Stopping: one last look at the pod, so that the meter counts up to the stop; then the stop is stored and sent. */
import type { Tx } from '../database/market-database.ts';
import type { RentalParts, RentalRow } from './parts.ts';
import { stepRental, takeStep, type RentalStep } from './rentals.flow.ts';
import { readRental } from './rentals.store.ts';

/** How long a stop waits for its last probe, in milliseconds. */
const LAST_PROBE_MS = 1_000;

/** A probe that got through, or null. */
export type LastProbe = (row: RentalRow, timeoutMs: number) => Promise<RentalStep['probe'] | null>;

/** Looks at a running pod once more, before any transaction. */
export async function lookBeforeStop(lastProbe: LastProbe, row: RentalRow): Promise<RentalStep> {
  const probe = row.rental.state === 'running' ? await lastProbe(row, LAST_PROBE_MS) : null;
  return probe === null || probe === undefined ? {} : { probe };
}

/** The renter stops; `look` is what the last look saw. Throws RENTAL_ENDED. */
export async function stopForRenter(
  parts: RentalParts,
  tx: Tx,
  rentalId: string,
  look: RentalStep,
): Promise<RentalRow> {
  const stepped = await stepRental(parts, tx, rentalId, {
    ...look,
    command: { type: 'stop', reason: 'renter-stopped' },
  });
  return stepped.row;
}

/** Ends a rental for which there is no more money. */
export async function stopExhausted(parts: RentalParts, lastProbe: LastProbe, rentalId: string): Promise<void> {
  const row = await readRental(parts.database.db, rentalId);
  if (row === null || row.rental.state === 'ended') return;
  const look = await lookBeforeStop(lastProbe, row);
  const detail = 'the balance does not reach for the next minutes';
  await takeStep(parts, rentalId, { ...look, command: { type: 'stop', reason: 'balance-exhausted' }, detail });
}
