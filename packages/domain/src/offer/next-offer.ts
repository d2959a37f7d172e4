/** Where a renter is moved whose machine turned out not to be what was rented: to the next offer that fits, and never to a dearer one. */
import { compareOffers, refusalOfOffer, type OfferFacts } from './offer.ts';

/** An offer that may take a renter over. */
export interface NextOffer extends OfferFacts {
  machineKey: string;
  hotkey: string;
  class: string | null;
}

/** What the renter has rented, and may be moved from. */
export interface FailedRental {
  machineKey: string;
  hotkey: string;
  class: string | null;
  units: number;
  /** What the renter has agreed to, per unit and hour. */
  priceMicroUsdPerUnitHour: bigint;
}

/**
 * The offers that fit, best first: of the same class, with as many free units, verified and online, at no higher price, and on another machine.
 * Of offers at one price, one of another provider goes first: what failed once may have failed for a reason that its owner's machines share.
 */
export function nextFittingOffers<Offer extends NextOffer>(offers: readonly Offer[], failed: FailedRental): Offer[] {
  return offers
    .filter((offer) => fits(offer, failed))
    .sort((a, b) => {
      if (a.priceMicroUsdPerHour !== b.priceMicroUsdPerHour) return compareOffers(a, b);
      return Number(a.hotkey === failed.hotkey) - Number(b.hotkey === failed.hotkey) || compareOffers(a, b);
    });
}

/** Whether a renter may be moved to an offer. */
function fits(offer: NextOffer, failed: FailedRental): boolean {
  return (
    offer.class !== null &&
    offer.class === failed.class &&
    offer.machineKey !== failed.machineKey &&
    offer.priceMicroUsdPerHour <= failed.priceMicroUsdPerUnitHour &&
    refusalOfOffer(offer, failed.units) === null
  );
}
