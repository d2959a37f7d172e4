/** Vector operations that ChaCha8 and the digests share. */

/** Rotates each 32-bit lane left by `bits`. */
export function rotateLeft(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** Rotates each 32-bit lane by 16: swapping halves takes two instructions where shifting takes three. */
export function swapHalves(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}

/**
 * Per 32-bit lane: the 64-bit x * m + a, its two words xored. Which difference in x cancels which later one depends on the key m, so nobody can
 * prepare two contents with one digest before the key is known.
 */
export function mulFold(x: v128, m: v128, a: v128): v128 {
  const low = i64x2.add(i64x2.extmul_low_i32x4_u(x, m), i64x2.extend_low_i32x4_u(a));
  const high = i64x2.add(i64x2.extmul_high_i32x4_u(x, m), i64x2.extend_high_i32x4_u(a));
  return v128.xor(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}
