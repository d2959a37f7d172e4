/** Quantiles: the whole millionths that a reckoning with forty digits gives, so that every machine can only have these. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { betaProbability, betaQuantilePpm } from './beta-quantile.ts';
import { exactExp, exactLn, exactLnGamma } from './exact-functions.ts';

// From an arbitrary-precision library (40 digits), rounded down.
test.each([
  [9, 1, 716_871, 994_316],
  [9, 2, 605_836, 963_228],
  [10, 1, 741_134, 994_883],
  [33, 1, 913_218, 998_446],
  [523.4, 6.2, 979_712, 994_794],
  [770.123456, 24.7, 958_179, 978_328],
  [9, 500, 9_272, 28_234],
  [5_000.5, 1, 999_401, 999_989],
  [4_000.25, 300.75, 923_567, 936_354],
  [1.5, 1.5, 97_308, 902_691],
  [100_000, 5, 999_908, 999_980],
])('Beta(%d, %d) has its quantiles to the millionth', (alpha, beta, fivePercent, ninetyFivePercent) => {
  expect(betaQuantilePpm(0.05, alpha, beta)).toBe(fivePercent);
  expect(betaQuantilePpm(0.95, alpha, beta)).toBe(ninetyFivePercent);
});

describe('logarithm, exponential and log-gamma', () => {
  test('agree with those of the engine to fifteen digits', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-12, max: 1e9, noNaN: true }),
        fc.double({ min: -600, max: 600, noNaN: true }),
        (x, y) => {
          expect(Math.abs(exactLn(x) - Math.log(x))).toBeLessThanOrEqual(1e-15 * Math.max(1, Math.abs(Math.log(x))));
          expect(Math.abs(exactExp(y) / Math.exp(y) - 1)).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(y)));
        },
      ),
    );
  });

  test('of gamma are those of factorials and of forty digits', () => {
    expect(exactLnGamma(1)).toBeCloseTo(0, 13);
    expect(exactLnGamma(9)).toBeCloseTo(Math.log(40_320), 12);
    expect(exactLnGamma(1.5)).toBeCloseTo(-0.120782237635245, 13);
    expect(exactLnGamma(1_234.5)).toBeCloseTo(7_550.550901077895, 9);
  });

  test('refuse what they are not made for', () => {
    expect(() => exactLn(0)).toThrow(RangeError);
    expect(() => exactLn(Number.NaN)).toThrow(RangeError);
    expect(() => exactLnGamma(0.5)).toThrow(RangeError);
  });
});

const evidence = fc.double({ min: 0, max: 6_000, noNaN: true });

test('more successes raise a bound and more failures lower it', () => {
  fc.assert(
    fc.property(evidence, evidence, fc.double({ min: 0, max: 500, noNaN: true }), (good, bad, more) => {
      const bound = betaQuantilePpm(0.05, 9 + good, 1 + bad);
      expect(betaQuantilePpm(0.05, 9 + good + more, 1 + bad)).toBeGreaterThanOrEqual(bound);
      expect(betaQuantilePpm(0.05, 9 + good, 1 + bad + more)).toBeLessThanOrEqual(bound);
    }),
    { numRuns: 60 },
  );
});

test('both ways of reckoning a probability meet', () => {
  fc.assert(
    fc.property(evidence, evidence, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (a, b, x) => {
      const [alpha, beta] = [1 + a, 1 + b];
      expect(betaProbability(x, alpha, beta) + betaProbability(1 - x, beta, alpha)).toBeCloseTo(1, 9);
    }),
  );
});
