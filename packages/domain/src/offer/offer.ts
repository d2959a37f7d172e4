/** Which offers may be rented, and in which order people see them. */

/** An offer as far as the rules need it. */
export interface OfferFacts {
  priceMicroUsdPerHour: bigint;
  /** A machine is online while its agent is connected. */
  online: boolean;
  /** Verdict of the newest receipt, or null before the first check. */
  verdict: 'pass' | 'fail' | null;
  /** Units that no rental holds. */
  freeUnits: number;
  /** Simulated devices are never listed. */
  simulated: boolean;
}

export type OfferRefusal = 'OFFER_UNVERIFIED' | 'OFFER_TAKEN' | 'MACHINE_OFFLINE' | 'OFFER_SIMULATED';

/** Why an offer cannot be rented now, or null when it can. */
export function refusalOfOffer(offer: OfferFacts, units: number): OfferRefusal | null {
  if (offer.simulated) return 'OFFER_SIMULATED';
  if (offer.verdict !== 'pass') return 'OFFER_UNVERIFIED';
  if (!offer.online) return 'MACHINE_OFFLINE';
  if (offer.freeUnits < units) return 'OFFER_TAKEN';
  return null;
}

/** Cheapest first: the order of every list. Ties go to the one with more free units. */
export function compareOffers(a: OfferFacts, b: OfferFacts): number {
  if (a.priceMicroUsdPerHour !== b.priceMicroUsdPerHour)
    return a.priceMicroUsdPerHour < b.priceMicroUsdPerHour ? -1 : 1;
  return b.freeUnits - a.freeUnits;
}
