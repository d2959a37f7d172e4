/** Moving on: to the same, elsewhere, for no more money, or not at all. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextFittingOffers, type FailedRental, type NextOffer } from './next-offer.ts';
import { refusalOfOffer } from './offer.ts';

const FAILED: FailedRental = {
  machineKey: 'k0',
  hotkey: 'h0',
  class: 'H100',
  units: 2,
  priceMicroUsdPerUnitHour: 3n,
};
const anyOffer: fc.Arbitrary<NextOffer> = fc.record({
  machineKey: fc.constantFrom('k0', 'k1', 'k2', 'k3'),
  hotkey: fc.constantFrom('h0', 'h1'),
  class: fc.constantFrom('H100', 'H200', null),
  priceMicroUsdPerHour: fc.bigInt({ min: 0n, max: 5n }),
  online: fc.boolean(),
  verdict: fc.constantFrom('pass' as const, 'fail' as const, null),
  freeUnits: fc.nat(4),
  simulated: fc.boolean(),
  unitConflict: fc.constantFrom('contested' as const, null, null),
});

test('a renter is moved only to what was rented: same class, as many units, rentable, not dearer, on another machine', () => {
  fc.assert(
    fc.property(fc.array(anyOffer, { size: '+1' }), (offers) => {
      const found = nextFittingOffers(offers, FAILED);
      for (const offer of found) {
        expect(offer).toMatchObject({ class: 'H100', verdict: 'pass', online: true, simulated: false });
        expect(offer.machineKey).not.toBe('k0');
        expect(offer.priceMicroUsdPerHour <= 3n).toBe(true);
        expect(refusalOfOffer(offer, 2)).toBeNull();
      }
      const fitting = offers.filter(
        (offer) =>
          offer.class === 'H100' &&
          offer.machineKey !== 'k0' &&
          offer.priceMicroUsdPerHour <= 3n &&
          refusalOfOffer(offer, 2) === null,
      );
      expect(found).toHaveLength(fitting.length);
    }),
  );
});

test('the cheapest comes first, and at one price another provider before the one that failed', () => {
  const offer = (machineKey: string, hotkey: string, priceMicroUsdPerHour: bigint): NextOffer => ({
    machineKey,
    hotkey,
    class: 'H100',
    priceMicroUsdPerHour,
    online: true,
    verdict: 'pass',
    freeUnits: 8,
    simulated: false,
    unitConflict: null,
  });
  const offers = [offer('k1', 'h0', 2n), offer('k2', 'h1', 2n), offer('k3', 'h0', 1n), offer('k4', 'h1', 3n)];
  expect(nextFittingOffers(offers, FAILED).map(({ machineKey }) => machineKey)).toEqual(['k3', 'k2', 'k1', 'k4']);
});

test('a renter of a machine without a class is moved nowhere: there is nothing to compare', () => {
  fc.assert(
    fc.property(fc.array(anyOffer), (offers) => {
      expect(nextFittingOffers(offers, { ...FAILED, class: null })).toEqual([]);
    }),
  );
});
