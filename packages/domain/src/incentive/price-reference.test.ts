/** Reference prices: three feeds at least, the median, slowly; feeds that stop, jump, lie or disagree move little or nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anchorReference, followFeeds, type PriceReading, type PriceReference } from './price-reference.ts';

const T = 1_790_000_000_000;
const HOUR_MS = 3_600_000;
const policy = { minimumFeeds: 3, priceChangePpmPerHour: 20_000n };
const start = anchorReference('H200', 2_000_000n, T);

const readings = (prices: readonly bigint[], atMs: number): PriceReading[] =>
  prices.map((microUsdPerHour, i) => ({ source: `feed-${i}`, gpuClass: 'H200', microUsdPerHour, observedAtMs: atMs }));
const look = (from: PriceReference, prices: readonly bigint[], nowMs = T + HOUR_MS) =>
  followFeeds(from, readings(prices, nowMs), nowMs, policy);

test('the price follows the median of three feeds and keeps what each said and when', () => {
  const step = look(start, [2_010_000n, 1_000_000n, 2_020_000n]);
  expect(step.reference.microUsdPerHour).toBe(2_010_000n);
  expect(step.reference.readings.map(({ source, observedAtMs }) => [source, observedAtMs - T])).toEqual([
    ['feed-1', HOUR_MS],
    ['feed-0', HOUR_MS],
    ['feed-2', HOUR_MS],
  ]);
  expect(step.limited).toBe(false);
});

test('of four feeds the lower of the two in the middle counts', () => {
  expect(look(start, [2_000_000n, 2_010_000n, 2_020_000n, 2_030_000n]).medianMicroUsdPerHour).toBe(2_010_000n);
});

test('a jump takes effect by 2 % an hour', () => {
  const step = look(start, [4_000_000n, 4_000_000n, 4_000_000n]);
  expect(step.reference.microUsdPerHour).toBe(2_040_000n);
  expect(step.limited).toBe(true);
  expect(look(start, [1n, 1n, 1n]).reference.microUsdPerHour).toBe(1_960_000n);
});

describe('nothing moves', () => {
  test.each([
    ['two feeds speak', readings([3_000_000n, 3_000_000n], T + HOUR_MS)],
    ['no feed speaks', []],
    [
      'one feed speaks three times',
      [0, 1, 2].map((i) => ({ ...readings([3_000_000n], T + HOUR_MS)[0]!, observedAtMs: T + i })),
    ],
    ['feeds are older than a day', readings([3_000_000n, 3_000_000n, 3_000_000n], T - 24 * HOUR_MS)],
    ['feeds are dated in the future', readings([3_000_000n, 3_000_000n, 3_000_000n], T + 2 * HOUR_MS)],
    ['prices are not above 0', readings([0n, -1n, 0n], T + HOUR_MS)],
    [
      'they speak of another class',
      readings([3_000_000n, 3_000_000n, 3_000_000n], T + HOUR_MS).map((own) => ({ ...own, gpuClass: 'H100' })),
    ],
  ])('when %s', (_what, given) => {
    const step = followFeeds(start, given, T + HOUR_MS, policy);
    expect(step.reference.microUsdPerHour).toBe(2_000_000n);
    expect(step.notes.at(-1)).toMatch(/of at least 3 feeds: no change/);
  });

  test('when our clock stands or goes back', () => {
    expect(look(start, [3_000_000n, 3_000_000n, 3_000_000n], T).reference.microUsdPerHour).toBe(2_000_000n);
    const back = look(start, [3_000_000n, 3_000_000n, 3_000_000n], T - HOUR_MS).reference;
    expect(back).toMatchObject({ microUsdPerHour: 2_000_000n, lookedAtMs: T });
  });
});

test('silence saves up no credit: after days without feeds a jump is no larger than after two hours', () => {
  const silent = followFeeds(start, [], T + 100 * HOUR_MS, policy).reference;
  expect(look(silent, [4_000_000n, 4_000_000n, 4_000_000n], T + 101 * HOUR_MS).reference.microUsdPerHour).toBe(
    2_040_000n,
  );
  const asleep = look(start, [4_000_000n, 4_000_000n, 4_000_000n], T + 1_000 * HOUR_MS).reference;
  expect(asleep.microUsdPerHour).toBe(2_080_000n);
});

test('feeds that disagree are said to', () => {
  expect(look(start, [1_000_000n, 2_000_000n, 3_000_001n]).notes).toContain(
    'the feeds disagree by more than a factor of three',
  );
});

test('one feed that lies never takes the price out of what the honest ones say, nor past the limit', () => {
  const price = fc.bigInt({ min: 1n, max: 10n ** 9n });
  fc.assert(
    fc.property(price, price, price, price, fc.integer({ min: 0, max: 5 * HOUR_MS }), (before, a, b, lie, waitedMs) => {
      const from = anchorReference('H200', before, T);
      const { microUsdPerHour } = look(from, [a, lie, b], T + waitedMs).reference;
      const [low, high] = [a, b, before].toSorted((x, y) => (x < y ? -1 : 1)).filter((_, i) => i !== 1) as [
        bigint,
        bigint,
      ];
      expect(microUsdPerHour >= low && microUsdPerHour <= high).toBe(true);
      const moved = microUsdPerHour > before ? microUsdPerHour - before : before - microUsdPerHour;
      expect(moved * 100n <= before * 4n).toBe(true);
    }),
  );
});

test('the order in which readings arrive changes nothing', () => {
  const reading = fc.record({
    source: fc.constantFrom('a', 'b', 'c', 'd'),
    gpuClass: fc.constant('H200'),
    microUsdPerHour: fc.bigInt({ min: 1n, max: 4n }),
    observedAtMs: fc.integer({ min: T, max: T + 3 }),
  });
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 10 }), (given) => {
      const there = followFeeds(start, given, T + HOUR_MS, policy);
      expect(followFeeds(start, given.toReversed(), T + HOUR_MS, policy).reference).toEqual(there.reference);
    }),
  );
});
