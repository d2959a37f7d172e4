/** Wilson's interval for a rate seen in n tries: honest bounds also at 0 and 1, where the normal approximation says nothing. */

/** The normal quantile of a two-sided 95 % interval. */
const Z_95 = 1.959963984540054;

/** A rate with its two-sided 95 % bounds, all between 0 and 1. */
export interface BoundedRate {
  rate: number;
  low: number;
  high: number;
}

/**
 * The rate `hits / tries` with Wilson's score interval (E. B. Wilson, 1927). No tries say nothing: rate 0 between 0 and 1. Throws a RangeError for counts that are
 * no counts.
 */
export function wilson(hits: number, tries: number): BoundedRate {
  if (!Number.isSafeInteger(hits) || !Number.isSafeInteger(tries) || hits < 0 || hits > tries) {
    throw new RangeError(`${hits} of ${tries} is no count`);
  }
  if (tries === 0) return { rate: 0, low: 0, high: 1 };
  const rate = hits / tries;
  const square = Z_95 ** 2;
  const centre = rate + square / (2 * tries);
  const spread = Z_95 * Math.sqrt((rate * (1 - rate) + square / (4 * tries)) / tries);
  const scale = 1 + square / tries;
  // At the ends the bound is the rate itself; the arithmetic only comes close to it.
  const low = hits === 0 ? 0 : Math.max(0, (centre - spread) / scale);
  const high = hits === tries ? 1 : Math.min(1, (centre + spread) / scale);
  return { rate, low, high };
}
