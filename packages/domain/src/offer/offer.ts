/** Which offers may be rented, and in which order people see them. */

import { holdsUnit, type Registration, type UnitStanding } from '../verification/unit-registry.ts';

/** Why the GPUs of an offer do not count for it. */
export type UnitConflict = 'contested' | 'spoofed' | 'held-elsewhere';

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
  /** What the registry of GPUs has against one of its units, or null. */
  unitConflict: UnitConflict | null;
}

export type OfferRefusal =
  | 'OFFER_UNVERIFIED'
  | 'OFFER_CONTESTED'
  | 'OFFER_TAKEN'
  | 'MACHINE_OFFLINE'
  | 'OFFER_SIMULATED';

/** Why an offer cannot be rented now, or null when it can. */
export function refusalOfOffer(offer: OfferFacts, units: number): OfferRefusal | null {
  if (offer.simulated) return 'OFFER_SIMULATED';
  if (offer.verdict !== 'pass') return 'OFFER_UNVERIFIED';
  if (offer.unitConflict !== null) return 'OFFER_CONTESTED';
  if (!offer.online) return 'MACHINE_OFFLINE';
  if (offer.freeUnits < units) return 'OFFER_TAKEN';
  return null;
}

/** The first conflict about the units of a registration. Units without a standing (CPU units), or that nobody has proven, are in none. */
export function conflictOfUnits(
  units: readonly string[],
  registration: Registration,
  standings: ReadonlyMap<string, UnitStanding>,
): UnitConflict | null {
  for (const unit of units) {
    const standing = standings.get(unit);
    if (standing === undefined || standing.state === 'unproven') continue;
    if (standing.state !== 'held') return standing.state;
    if (!holdsUnit(standing, registration)) return 'held-elsewhere';
  }
  return null;
}

/** Cheapest first: the order of every list. Ties go to the one with more free units. */
export function compareOffers(a: OfferFacts, b: OfferFacts): number {
  if (a.priceMicroUsdPerHour !== b.priceMicroUsdPerHour)
    return a.priceMicroUsdPerHour < b.priceMicroUsdPerHour ? -1 : 1;
  return b.freeUnits - a.freeUnits;
}
