/** The bounds beside every rate of the attack suite. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wilson } from './wilson.ts';

test('known intervals come out: 8 of 10, 0 of 20, 3000 of 3000', () => {
  const some = wilson(8, 10);
  expect(some.low).toBeCloseTo(0.4902, 4);
  expect(some.high).toBeCloseTo(0.9433, 4);
  expect(wilson(0, 20)).toMatchObject({ rate: 0, low: 0 });
  expect(wilson(0, 20).high).toBeCloseTo(0.1611, 4);
  expect(wilson(3_000, 3_000)).toMatchObject({ rate: 1, high: 1 });
  expect(wilson(3_000, 3_000).low).toBeCloseTo(0.99872, 5);
});

test('no tries say nothing', () => {
  expect(wilson(0, 0)).toEqual({ rate: 0, low: 0, high: 1 });
});

test('a rate lies between its bounds, and more tries at one rate never widen them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 0, max: 5_000 }), (tries, wanted) => {
      const hits = Math.min(wanted, tries);
      const { rate, low, high } = wilson(hits, tries);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(low).toBeLessThanOrEqual(rate);
      expect(high).toBeGreaterThanOrEqual(rate);
      expect(high).toBeLessThanOrEqual(1);
      const more = wilson(hits * 4, tries * 4);
      expect(more.high - more.low).toBeLessThanOrEqual(high - low);
    }),
  );
});

test('what is no count is refused', () => {
  for (const [hits, tries] of [
    [2, 1],
    [-1, 3],
    [0.5, 1],
    [Number.NaN, 4],
  ] as const) {
    expect(() => wilson(hits, tries)).toThrow(RangeError);
  }
});
