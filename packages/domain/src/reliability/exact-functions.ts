/**
 * Logarithm, exponential and log-gamma from the four basic operations on doubles alone. ECMAScript fixes those to IEEE 754 (round to nearest, ties to
 * even), but leaves Math.log and its kin to each engine: only so is a result the same, bit for bit, on every machine.
 */

const LN2 = 0.6931471805599453;
/** LN2 in two parts, the first with zeros at its end, so that k x LN2_HIGH is exact for the k that occur. */
const LN2_HIGH = 0.69314718036912381649;
const LN2_LOW = 1.90821492927058770002e-10;
/** ln(2 pi) / 2. */
const HALF_LN_TAU = 0.9189385332046727;
const SQRT_HALF = 0.7071067811865476;
/** Stirling's series is used from here on; smaller arguments are shifted up to it. */
const STIRLING_FROM = 15;

/** Natural logarithm of a positive, normal double; within some units of the last place. */
export function exactLn(x: number): number {
  if (!(x > 0)) throw new RangeError('a logarithm needs a positive number');
  let mantissa = x;
  let exponent = 0;
  // Halving and doubling are exact.
  for (; mantissa >= 2 * SQRT_HALF; mantissa /= 2) exponent += 1;
  for (; mantissa < SQRT_HALF; mantissa *= 2) exponent -= 1;
  // ln m = 2 artanh t with |t| <= 0.172.
  const t = (mantissa - 1) / (mantissa + 1);
  const square = t * t;
  let sum = 0;
  for (let n = 25; n >= 1; n -= 2) sum = sum * square + 1 / n;
  return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * t * sum);
}

/** e to the x; 0 below -700, which no figure here needs. */
export function exactExp(x: number): number {
  if (x < -700) return 0;
  if (x > 700) throw new RangeError('an exponential above e^700 is a fault here');
  const k = Math.floor(x / LN2 + 0.5);
  const rest = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 1;
  for (let n = 18; n >= 1; n -= 1) sum = 1 + (rest / n) * sum;
  let result = sum;
  for (let i = 0; i < k; i += 1) result *= 2;
  for (let i = 0; i > k; i -= 1) result /= 2;
  return result;
}

/** ln of the gamma function for z >= 1: Stirling's series, after a shift upwards for small z. */
export function exactLnGamma(z: number): number {
  if (!(z >= 1)) throw new RangeError('log-gamma is made for 1 and more');
  let shifted = z;
  let product = 1;
  for (; shifted < STIRLING_FROM; shifted += 1) product *= shifted;
  const inverse = 1 / shifted;
  const square = inverse * inverse;
  const series =
    inverse *
    (1 / 12 -
      square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square * (1 / 1188 - square * (691 / 360360))))));
  return (shifted - 0.5) * exactLn(shifted) - shifted + HALF_LN_TAU + series - exactLn(product);
}
