/** Routes of the market's face: who it is, its machines, its offers. */
import { CeliumError } from '@celium/contract';
import { compareOffers, refusalOfOffer } from '@celium/domain';
import type { MarketDatabase } from '../database/market-database.ts';
import type { Handlers } from '../http/handlers.ts';
import type { Clock } from '../ports.ts';
import { listMachines } from './machines.store.ts';
import { factsOfOffer, showOffer } from './offers.flow.ts';
import { readOffers } from './offers.store.ts';

export interface MarketFacts {
  publicKey: string;
  feeBasisPoints: number;
  version: string;
  netuid: number;
}

export function machineRoutes(
  database: MarketDatabase,
  clock: Clock,
  facts: MarketFacts,
): Pick<Handlers, 'getMarket' | 'listOffers' | 'getOffer' | 'listMachines'> {
  return {
    getMarket: async () => ({ ...facts, timeMs: clock.now() }),
    listOffers: async ({ query }) => {
      const maxPrice = query.maxPriceMicroUsdPerUnitHour;
      const offers = (await readOffers(database.db, clock.now()))
        .filter((offer) => query.class === undefined || offer.class === query.class)
        .filter((offer) => maxPrice === undefined || offer.priceMicroUsdPerUnitHour <= BigInt(maxPrice))
        .filter((offer) => query.rentable === 'false' || refusalOfOffer(factsOfOffer(offer), 1) === null)
        .sort((a, b) => compareOffers(factsOfOffer(a), factsOfOffer(b)));
      return { offers: offers.slice(0, query.limit).map(showOffer) };
    },
    getOffer: async ({ params }) => {
      const offer = (await readOffers(database.db, clock.now(), params.offerId))[0];
      if (offer === undefined || offer.simulated) throw new CeliumError('OFFER_UNKNOWN');
      return showOffer(offer);
    },
    listMachines: async () => listMachines(database.db, clock.now()),
  };
}
