/** Ratios as whole millionths: integers give every machine the same result. What is rounded is rounded down, so that no sum of shares exceeds its whole. */

/** One, in millionths. */
export const PPM = 1_000_000n;

/** The smaller of two whole numbers. */
export function lesser(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The larger of two whole numbers. */
export function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The whole part of the square root of a number that is not negative. Newton's method on integers: exact. */
export function wholeSquareRoot(value: bigint): bigint {
  if (value < 0n) throw new RangeError('a negative number has no square root');
  if (value < 2n) return value;
  // From above the root, so that the steps only fall.
  let root = 1n << BigInt(Math.ceil(value.toString(2).length / 2));
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** The square root of a ratio in millionths, rounded down. */
export function squareRootPpm(ratioPpm: bigint): bigint {
  return wholeSquareRoot(ratioPpm * PPM);
}

/** A ratio in millionths as people read it: `0.123456` without the zeros at its end, at most `digits` behind the point, cut and not rounded. */
export function ratioText(ratioPpm: bigint, digits = 3): string {
  const sign = ratioPpm < 0n ? '-' : '';
  const value = ratioPpm < 0n ? -ratioPpm : ratioPpm;
  const behind = (value % PPM).toString().padStart(6, '0').slice(0, digits).replace(/0+$/, '');
  return `${sign}${value / PPM}${behind === '' ? '' : `.${behind}`}`;
}

/** Micro-dollars as dollars, at most four digits behind the point, at least two. */
export function dollarText(microUsd: bigint): string {
  const [whole, behind = ''] = ratioText(microUsd, 4).split('.');
  return `$${whole}.${behind.padEnd(2, '0')}`;
}
