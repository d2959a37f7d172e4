/** Quantiles of Beta(alpha, beta) in whole millionths, the same on every machine: bounds on how good a record may be said to be. */

import { exactExp, exactLn, exactLnGamma } from './exact-functions.ts';

const MILLION = 1_000_000;
/** Steps of the continued fraction; for the largest records some hundred are needed. */
const MAX_STEPS = 20_000;
const PRECISION = 1e-15;
const TINY = 1e-300;

/** The probability that a Beta(alpha, beta) is at most x: the regularised incomplete beta function, for alpha and beta of 1 and more. */
export function betaProbability(x: number, alpha: number, beta: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front =
    exactLnGamma(alpha + beta) - exactLnGamma(alpha) - exactLnGamma(beta) + alpha * exactLn(x) + beta * exactLn(1 - x);
  // The fraction converges fast on this side of the mean, else that of the mirror image does.
  return x < (alpha + 1) / (alpha + beta + 2)
    ? (exactExp(front) * betaFraction(x, alpha, beta)) / alpha
    : 1 - (exactExp(front) * betaFraction(1 - x, beta, alpha)) / beta;
}

/** The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
function betaFraction(x: number, a: number, b: number): number {
  const awayFromZero = (value: number): number => (value < TINY && value > -TINY ? TINY : value);
  let c = 1;
  let d = 1 / awayFromZero(1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= MAX_STEPS; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / awayFromZero(1 + even * d);
    c = awayFromZero(1 + even / c);
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / awayFromZero(1 + odd * d);
    c = awayFromZero(1 + odd / c);
    const factor = d * c;
    result *= factor;
    if (factor - 1 < PRECISION && 1 - factor < PRECISION) return result;
  }
  throw new RangeError(`the incomplete beta function of ${a} and ${b} did not converge`);
}

/** The largest whole number of millionths that a Beta(alpha, beta) stays below with at most this probability. By halving: twenty comparisons. */
export function betaQuantilePpm(probability: number, alpha: number, beta: number): number {
  let below = 0;
  let above = MILLION;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (betaProbability(middle / MILLION, alpha, beta) <= probability) below = middle;
    else above = middle;
  }
  return below;
}
