/** Freivalds' check of a whole product: an oracle of the product kernels that multiplies no two matrices. C r = A (B r) modulo a prime, exact in doubles. */

/** The prime 2^22 - 3: a wrong element of C goes unseen for one random vector in four million. */
export const FREIVALDS_PRIME = 4_194_301;

/** C = A x B with both operands by rows: A is `size` x `depth`, `b` is B transposed, C is `size` x `size`. */
export interface Product {
  size: number;
  depth: number;
  a: Int8Array;
  b: Int8Array;
  c: Int32Array;
}

/** Terms that are added before the sum is reduced: |C| < 2^26 and r < 2^22 keep 16 of them below 2^52. */
const TERMS = 16;

function modulo(x: number): number {
  return ((x % FREIVALDS_PRIME) + FREIVALDS_PRIME) % FREIVALDS_PRIME;
}

/** The rows of a matrix times a vector, reduced. */
function timesVector(rows: Int8Array | Int32Array, length: number, vector: Float64Array): Float64Array {
  const out = new Float64Array(rows.length / length);
  for (let row = 0; row < out.length; row++) {
    const from = row * length;
    let sum = 0;
    for (let i = 0; i < length; i += TERMS) {
      for (let j = i; j < i + TERMS; j++) sum += rows[from + j]! * vector[j]!;
      sum %= FREIVALDS_PRIME;
    }
    out[row] = modulo(sum);
  }
  return out;
}

/** B times a vector, from the rows of B transposed. */
function transposedTimes(b: Int8Array, depth: number, vector: Float64Array): Float64Array {
  const out = new Float64Array(depth);
  // |element| <= 2^7 and r < 2^22: 2^23 rows would still be exact.
  for (let j = 0; j < vector.length; j++) {
    const r = vector[j]!;
    for (let d = 0; d < depth; d++) out[d]! += b[j * depth + d]! * r;
  }
  return out.map(modulo);
}

/** The rows of C that are wrong, as far as one vector tells. The vector must not be known to whoever computed C. */
export function wrongRows({ depth, size, a, b, c }: Product, vector: Float64Array): number[] {
  const expected = timesVector(a, depth, transposedTimes(b, depth, vector));
  const found = timesVector(c, size, vector);
  return [...found.keys()].filter((row) => found[row] !== expected[row]);
}
