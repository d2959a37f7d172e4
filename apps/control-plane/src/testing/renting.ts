/** What tests of rentals do all the time: as one renter, at one offer of a test market. */
import type { Renter, TestMarket } from './test-market.ts';

/** Who rents what, where; asked anew for each call, since tests make these before each test. */
export interface RentingAt {
  market: TestMarket;
  renter: Renter;
  offer: { offerId: string };
}

/** The calls of `at`'s renter. */
export function renting(at: () => RentingAt) {
  const ofRental = (rentalId: string) => ({ key: at().renter.key, params: { rentalId } });
  return {
    /** Rents the offer, with more in the body than its id. */
    rent: async (more: object = {}) => {
      const { market, renter, offer } = at();
      return (await market.call('createRental', { key: renter.key, body: { offerId: offer.offerId, ...more } })).body;
    },
    /** The rental, if wanted not before it is in a state (or 15 s have gone). */
    read: async (rentalId: string, waitFor?: 'starting' | 'running' | 'ended') => {
      const query: Record<string, string> = waitFor === undefined ? {} : { waitFor, waitMs: '15000' };
      return (await at().market.call('getRental', { ...ofRental(rentalId), query })).body;
    },
    stop: (rentalId: string) => at().market.call('stopRental', ofRental(rentalId)),
    bill: async (rentalId: string) => (await at().market.call('getBill', ofRental(rentalId))).body,
    balance: async () => (await at().market.call('getBalance', { key: at().renter.key })).body,
    freeUnits: async () => {
      const { market, offer } = at();
      return (await market.call('getOffer', { params: { offerId: offer.offerId } })).body.freeUnits;
    },
    /** The last word about the money; throws when the books do not add up. */
    expectLedgerInOrder: async () => {
      const { body } = await at().market.operator('auditLedger');
      if (body.ledgerSumMicroUsd !== '0' || body.violations.length > 0) throw new Error(JSON.stringify(body));
    },
  };
}
