/** A machine key belongs to one hotkey at most: the one that it named last. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listingThatCounts } from './consent.ts';

const listing = fc.record({ hotkey: fc.constantFrom('a', 'b', 'c'), issuedAtMs: fc.integer({ min: 0, max: 5 }) });

test('the latest consent counts, in whatever order the listings come', () => {
  const former = { hotkey: 'a', issuedAtMs: 1 };
  const present = { hotkey: 'b', issuedAtMs: 2 };
  expect(listingThatCounts([former, present])).toBe(present);
  expect(listingThatCounts([present, former])).toBe(present);
  expect(listingThatCounts([former])).toBe(former);
  expect(listingThatCounts([])).toBeNull();
});

test('consents of one moment to two hotkeys count for neither', () => {
  expect(
    listingThatCounts([
      { hotkey: 'a', issuedAtMs: 2 },
      { hotkey: 'b', issuedAtMs: 2 },
    ]),
  ).toBeNull();
});

test('an older consent changes nothing for the later one', () => {
  fc.assert(
    fc.property(fc.array(listing, { minLength: 1, maxLength: 6 }), listing, (listings, more) => {
      const newest = Math.max(...listings.map(({ issuedAtMs }) => issuedAtMs));
      fc.pre(more.issuedAtMs < newest);
      expect(listingThatCounts([more, ...listings])?.hotkey).toBe(listingThatCounts(listings)?.hotkey);
    }),
  );
});
