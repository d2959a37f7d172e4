/** Records: the reference table to its last digit, evidence that is forgotten by half in thirty days, and looking that changes nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decayed,
  lowerBoundPpm,
  meanPpm,
  NEW_BOUND_PPM,
  newPosterior,
  observe,
  sumPosteriors,
  upperBoundPpm,
  wilsonBoundPpm,
  type Posterior,
} from './posterior.ts';

const ONE = 1_000_000n;
const DAY = 24;

/** A history of hours, good where `isUp` says so. */
function history(hours: number, isUp: (hour: number) => boolean): Posterior {
  let posterior = newPosterior(0);
  for (let hour = 1; hour <= hours; hour += 1)
    posterior = observe(posterior, hour, isUp(hour) ? { successPpm: ONE } : { failurePpm: ONE });
  return posterior;
}
const threeDigits = (ppm: bigint): string => (Number(ppm) / 1e6).toFixed(3);
const sixty = 60 * DAY;
/** Sixty good days, then each tenth hour is bad, from the first on. */
const thenNineTenths = (days: number): Posterior =>
  history(sixty + days * DAY, (hour) => hour <= sixty || hour % 10 !== 1);
const outage = (hour: number): boolean => hour <= sixty || hour > sixty + DAY;

test.each([
  ['a perfect day', history(DAY, () => true), '0.970', '0.913'],
  ['seven perfect days', history(7 * DAY, () => true), '0.994', '0.982'],
  ['thirty perfect days', history(30 * DAY, () => true), '0.998', '0.994'],
  ['ninety perfect days', history(90 * DAY, () => true), '0.999', '0.997'],
  ['thirty days of 99 %', history(30 * DAY, (hour) => hour % 100 !== 50), '0.989', '0.980'],
  ['sixty good days, then a day of outage', history(sixty + DAY, outage), '0.969', '0.958'],
  ['the same and thirty good days more', history(sixty + 31 * DAY, outage), '0.986', '0.979'],
  ['sixty good days, then a day of 90 %', thenNineTenths(1), '0.995', '0.990'],
  ['sixty good days, then a week of 90 %', thenNineTenths(7), '0.980', '0.971'],
  ['sixty good days, then thirty days of 90 %', thenNineTenths(30), '0.943', '0.930'],
])('%s: mean and lower bound are those of the reference', (_what, posterior, mean, bound) => {
  expect([threeDigits(meanPpm(posterior)), threeDigits(lowerBoundPpm(posterior))]).toEqual([mean, bound]);
});

describe('evidence', () => {
  test('is half as much after thirty days', () => {
    const seen = observe(newPosterior(0), 0, { successPpm: 100n * ONE, failurePpm: 10n * ONE });
    expect(decayed(seen, 720)).toEqual({ ...seen, successes: 50n * ONE, failures: 5n * ONE, atHour: 720 });
    expect(decayed(seen, 720 * 100)).toMatchObject({ successes: 0n, failures: 0n, observations: 110n * ONE });
  });

  test('is never more later than earlier', () => {
    const hours = fc.integer({ min: 0, max: 10_000 });
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10_000n * ONE }), hours, hours, (successPpm, a, b) => {
        const seen = observe(newPosterior(0), 0, { successPpm });
        const [first, second] = [decayed(seen, a), decayed(seen, a + b)];
        expect(second.successes <= first.successes).toBe(true);
        // Two looks on the way cost at most a rounding each: the evidence of a fold does not depend on who looked.
        const difference = decayed(first, a + b).successes - second.successes;
        expect(difference <= 1n && difference >= -1n).toBe(true);
      }),
    );
  });

  test('of an earlier hour than the last is a fault', () => {
    expect(() => observe(newPosterior(10), 9, { successPpm: ONE })).toThrow(/order of its hours/);
    expect(() => observe(newPosterior(0), 1, { successPpm: -1n })).toThrow(/never negative/);
  });

  test('of nothing changes nothing, not even the hour', () => {
    const posterior = newPosterior(3);
    expect(observe(posterior, 9, {})).toBe(posterior);
  });
});

test('a new record is worth its prior', () => {
  expect(lowerBoundPpm(newPosterior(0))).toBe(NEW_BOUND_PPM);
  expect(upperBoundPpm(newPosterior(0))).toBe(994_316n);
});

test('units together are all their evidence together', () => {
  const [a, b] = [history(10, () => true), history(20, (hour) => hour % 5 !== 0)];
  const both = sumPosteriors([a, b], 30);
  expect(both.observations).toBe(30n * ONE);
  expect(both.successes).toBe(decayed(a, 30).successes + decayed(b, 30).successes);
  expect(sumPosteriors([], 30)).toEqual(newPosterior(30));
});

test.each([
  [10n, 10n, '0.787'],
  [50n, 50n, '0.949'],
  [200n, 200n, '0.987'],
  [45n, 50n, '0.808'],
  [0n, 10n, '0.000'],
  [0n, 0n, '0.000'],
])('%i of %i are labelled by Wilson with %s', (successes, total, bound) => {
  expect(threeDigits(wilsonBoundPpm(successes, total))).toBe(bound);
});
