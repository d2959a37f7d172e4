/** A failed check ends the rental, and moves the renter to the next fitting offer, if that was allowed: both in one transaction, or the end alone. */
import { CeliumError } from '@celium/contract';
import { isBeingChecked, nextFittingOffers } from '@celium/domain';
import type { Tx } from '../database/market-database.ts';
import type { RentableOffer, RentalParts, RentalRow } from '../rentals/parts.ts';
import { rent } from '../rentals/rent.flow.ts';
import { lockRental, noteMoved, readRental, stepRental, takeStep } from '../rentals/rentals.flow.ts';

/** A renter is moved so often at the most; each move may wait for a check of its own. */
const MOST_MOVES = 3;
/** Of offers that others take at the same moment, so many are tried. */
const MOST_TRIED = 5;

/** Ends a rental whose units failed their check; `why` is for its renter. */
export async function endFailed(parts: RentalParts, row: RentalRow, why: string): Promise<void> {
  if (row.moveOn.includes('check-failed')) {
    try {
      if (await endAndMove(parts, row, why)) return;
    } catch (fault) {
      // The money, the keys, the offer: what a rent is refused for keeps no failed rental open.
      if (!(fault instanceof CeliumError) || fault.code === 'DATABASE_UNAVAILABLE') throw fault;
      parts.ports.log.info({ err: fault, rentalId: row.rentalId }, 'a renter could not be moved');
    }
    await takeStep(parts, row.rentalId, failedWith(`${why}; nothing was charged; no other offer fits now`));
    return;
  }
  await takeStep(parts, row.rentalId, failedWith(`${why}; nothing was charged`));
}

const failedWith = (detail: string) => ({ command: { type: 'checked', verdict: 'fail' } as const, detail });

/** False when no offer fits: then nothing has happened. */
async function endAndMove(parts: RentalParts, row: RentalRow, why: string): Promise<boolean> {
  const tried = await machinesTried(parts, row);
  if (tried === null) return false;
  const units = row.units.length;
  const failed = {
    machineKey: row.machineKey,
    hotkey: row.hotkey,
    class: row.class,
    units,
    priceMicroUsdPerUnitHour: row.priceMicroUsdPerHour / BigInt(units),
  };
  const fitting = (offers: readonly RentableOffer[]): Array<{ offerId: string }> =>
    nextFittingOffers(offers.filter((offer) => !tried.has(offer.machineKey)).map(withFacts), failed);
  return parts.database.transaction(async (tx) => {
    const candidates = fitting(await parts.listOffers(tx.db, parts.ports.clock.now())).slice(0, MOST_TRIED);
    // The machine first, then the rental: whoever rents locks in this order.
    const offer = await lockFirst(parts, tx, candidates, fitting);
    if (offer === null) return false;
    const before = await lockRental(tx, row.rentalId);
    if (before === null || !isBeingChecked(before.rental)) return true;
    await stepRental(parts, tx, row.rentalId, failedWith(`${why}; nothing was charged; moved to the next offer`));
    const moved = await rent(
      parts,
      tx,
      row.accountId,
      {
        offerId: offer.offerId,
        unitCount: units,
        pod: row.pod,
        sshKeyIds: before.sshKeys.map((key) => key.id),
        moveOn: row.moveOn,
      },
      row.rentalId,
    );
    await noteMoved(tx, row.rentalId, moved.row.rentalId);
    return true;
  });
}

async function lockFirst(
  parts: RentalParts,
  tx: Tx,
  candidates: ReadonlyArray<{ offerId: string }>,
  fitting: (offers: readonly RentableOffer[]) => unknown[],
): Promise<RentableOffer | null> {
  for (const { offerId } of candidates) {
    const offer = await parts.lockOffer(tx, offerId, parts.ports.clock.now());
    if (offer !== null && fitting([offer]).length > 0) return offer;
  }
  return null;
}

/** The machines on which this renter has been since the first rent; null when that is often enough. */
async function machinesTried(parts: RentalParts, row: RentalRow): Promise<Set<string> | null> {
  const tried = new Set([row.machineKey]);
  let { movedFrom } = row;
  for (let moves = 0; movedFrom !== null; moves += 1) {
    if (moves + 1 >= MOST_MOVES) return null;
    const before = await readRental(parts.database.db, movedFrom);
    if (before === null) break;
    tried.add(before.machineKey);
    movedFrom = before.movedFrom;
  }
  return tried;
}

function withFacts(offer: RentableOffer) {
  return {
    ...offer,
    priceMicroUsdPerHour: offer.priceMicroUsdPerUnitHour,
    freeUnits: offer.freeUnits.length,
  };
}
