/** Offers as the rules and as people see them. */
import type { Offer } from '@celium/contract';
import type { Queries } from '../database/market-database.ts';
import type { OfferFacts, UnitConflict } from '@celium/domain';
import { readOffers, type OfferRow } from './offers.store.ts';

export { lockOffer } from './offers.store.ts';

/** Open offers that are no simulated ones. */
export const listOffers = (db: Queries, nowMs: number): Promise<OfferRow[]> => readOffers(db, nowMs);

/** Said on every offer of a machine that is not confidential. */
export const OFFER_NOTICE = 'The owner of this machine can read its memory and disk.';

const CONFLICT_MESSAGES: Record<UnitConflict, string> = {
  contested:
    'several registrations pass for a GPU of this machine; it counts for none until one barrier has challenged them',
  spoofed: 'several devices answer under the UUID of a GPU of this machine; it counts for none of them',
  'held-elsewhere': 'a GPU of this machine counts for another registration',
};

/** An offer as the rules see it. */
export function factsOfOffer(offer: OfferRow): OfferFacts {
  return {
    priceMicroUsdPerHour: offer.priceMicroUsdPerUnitHour,
    online: offer.online,
    verdict: offer.verdict,
    freeUnits: offer.freeUnits.length,
    simulated: offer.simulated,
    unitConflict: offer.unitConflict,
  };
}

/** An offer as the contract shows it. */
export function showOffer(offer: OfferRow): Offer {
  return {
    offerId: offer.offerId,
    machineId: offer.machineId,
    machineKey: offer.machineKey,
    hotkey: offer.hotkey,
    class: offer.class,
    units: offer.units,
    freeUnits: offer.freeUnits.length,
    priceMicroUsdPerUnitHour: String(offer.priceMicroUsdPerUnitHour),
    committedUntilMs: offer.committedUntilMs,
    online: offer.online,
    verdict: offer.verdict,
    verifiedAtMs: offer.verifiedAtMs,
    receiptId: offer.receiptId,
    measured: offer.measured,
    machineCheck: offer.machineCheck,
    hostAlarms: offer.hostAlarms,
    link: offer.link,
    unitConflict:
      offer.unitConflict === null
        ? null
        : { state: offer.unitConflict, message: CONFLICT_MESSAGES[offer.unitConflict] },
    host: offer.host,
    notice: OFFER_NOTICE,
  };
}
