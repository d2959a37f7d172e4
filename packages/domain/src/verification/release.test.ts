/** After a release somebody checks soon, and only one: the others see in the machine's log that it was done. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NO_NEWS, readLeaseEntry, releaseDueAtMs, type LeaseNews, type PublishedLease } from './release.ts';

const grant = (leaseId: string, leaseKind: string, seenAtMs: number): PublishedLease => ({
  kind: 'grant',
  leaseId,
  leaseKind,
  seenAtMs,
});
const end = (leaseId: string, seenAtMs: number): PublishedLease => ({
  kind: 'lease-ended',
  leaseId,
  leaseKind: null,
  seenAtMs,
});
const read = (...entries: PublishedLease[]): LeaseNews => entries.reduce(readLeaseEntry, NO_NEWS);

test('the end of a paid lease makes a check due, first at the first place', () => {
  const news = read(grant('a', 'paid', 10), end('a', 1_000));
  expect([0, 1, 2].map((place) => releaseDueAtMs(news, place))).toEqual([1_000, 301_000, 601_000]);
});

test('the end of a lease whose grant was never read counts as a release', () => {
  expect(releaseDueAtMs(read(end('before our time', 5)), 0)).toBe(5);
});

test('a check’s own end is no release, and a check after a release, anybody’s, is the one that was due', () => {
  expect(releaseDueAtMs(read(grant('c', 'verification', 10), end('c', 20)), 0)).toBeNull();
  const checked = read(end('a', 1_000), grant('c', 'verification', 1_500));
  expect(releaseDueAtMs(checked, 0)).toBeNull();
  expect(releaseDueAtMs(readLeaseEntry(readLeaseEntry(checked, end('c', 1_600)), end('b', 2_000)), 1)).toBe(302_000);
});

test('whatever a log says, little is remembered of it', () => {
  const entry = fc.record({
    kind: fc.constantFrom('grant', 'lease-ended', 'other'),
    leaseId: fc.string({ maxLength: 2 }),
    leaseKind: fc.constantFrom('paid', 'verification', null),
    seenAtMs: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 300 }), (entries) => {
      expect(read(...entries).openChecks.length).toBeLessThanOrEqual(64);
    }),
  );
});
