/** Which offers may be rented, and the order in which people see them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareOffers, conflictOfUnits, refusalOfOffer, type OfferFacts } from './offer.ts';

const GOOD: OfferFacts = {
  priceMicroUsdPerHour: 100n,
  online: true,
  verdict: 'pass',
  freeUnits: 2,
  simulated: false,
  unitConflict: null,
};
const anyOffer: fc.Arbitrary<OfferFacts> = fc.record({
  priceMicroUsdPerHour: fc.bigInt({ min: 0n, max: 5n }),
  online: fc.boolean(),
  verdict: fc.constantFrom('pass' as const, 'fail' as const, null),
  freeUnits: fc.nat(3),
  simulated: fc.boolean(),
  unitConflict: fc.constantFrom('contested' as const, 'spoofed' as const, 'held-elsewhere' as const, null),
});

test('a verified, connected offer with enough free units can be rented', () => {
  expect(refusalOfOffer(GOOD, 1)).toBeNull();
  expect(refusalOfOffer(GOOD, 2)).toBeNull();
});

test.each([
  ['simulated', { simulated: true }, 'OFFER_SIMULATED'],
  ['not yet verified', { verdict: null }, 'OFFER_UNVERIFIED'],
  ['failed its last check', { verdict: 'fail' as const }, 'OFFER_UNVERIFIED'],
  ['contested', { unitConflict: 'contested' as const }, 'OFFER_CONTESTED'],
  ['spoofed', { unitConflict: 'spoofed' as const }, 'OFFER_CONTESTED'],
  ['made of units that another holds', { unitConflict: 'held-elsewhere' as const }, 'OFFER_CONTESTED'],
  ['not connected', { online: false }, 'MACHINE_OFFLINE'],
  ['taken', { freeUnits: 0 }, 'OFFER_TAKEN'],
])('an offer that is %s is refused, and the reason says so', (_what, facts, refusal) => {
  expect(refusalOfOffer({ ...GOOD, ...facts }, 1)).toBe(refusal);
});

test('an offer is rentable only with every condition met', () => {
  fc.assert(
    fc.property(anyOffer, fc.integer({ min: 1, max: 3 }), (offer, units) => {
      const verified = offer.verdict === 'pass' && offer.unitConflict === null;
      const rentable = !offer.simulated && verified && offer.online && offer.freeUnits >= units;
      expect(refusalOfOffer(offer, units) === null).toBe(rentable);
    }),
  );
});

test('one unit that counts for nobody, or for another, is a conflict of the whole offer', () => {
  const own = { hotkey: 'own', machineKey: 'k' };
  const other = { hotkey: 'other', machineKey: 'k' };
  const standings = new Map([
    ['GPU-own', { state: 'held' as const, holder: own, rivals: [other] }],
    ['GPU-unproven', { state: 'unproven' as const, rivals: [own] }],
    ['GPU-contested', { state: 'contested' as const, rivals: [own, other] }],
    ['GPU-spoofed', { state: 'spoofed' as const, rivals: [own, other] }],
  ]);
  expect(conflictOfUnits(['GPU-own', 'GPU-unproven', 'cpu:m', 'GPU-unknown'], own, standings)).toBeNull();
  expect(conflictOfUnits(['GPU-own'], other, standings)).toBe('held-elsewhere');
  expect(conflictOfUnits(['GPU-own', 'GPU-contested'], own, standings)).toBe('contested');
  expect(conflictOfUnits(['GPU-spoofed'], own, standings)).toBe('spoofed');
});

test('lists are cheapest first, whatever order they came in', () => {
  fc.assert(
    fc.property(fc.array(anyOffer), (offers) => {
      const sorted = offers.toSorted(compareOffers);
      for (const [index, offer] of sorted.entries()) {
        const next = sorted[index + 1];
        if (next !== undefined) expect(offer.priceMicroUsdPerHour <= next.priceMicroUsdPerHour).toBe(true);
      }
      expect(
        offers
          .toReversed()
          .toSorted(compareOffers)
          .map((offer) => offer.freeUnits),
      ).toEqual(sorted.map((offer) => offer.freeUnits));
    }),
  );
});
