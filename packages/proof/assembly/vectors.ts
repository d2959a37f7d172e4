/** Vector operations that ChaCha8 and the digests share. */

/** Rotates each 32-bit lane left by `bits`. */
export function rotateLeft(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** Rotates each 32-bit lane by 16: swapping halves takes two instructions where shifting takes three. */
export function swapHalves(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}
