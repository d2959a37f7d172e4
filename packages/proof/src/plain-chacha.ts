/** ChaCha8 in plain JavaScript: the oracle of the WASM kernels and the floor of the bench. Words stay in local variables, as a careful programmer would write it. */

/** The ChaCha constants ("expand 32-byte k"). */
export const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Domain words (little-endian ASCII `fill`, `addr`, `oper`, `walk`): word 14 of a starting state. */
export const DOMAIN = { fill: 0x6c6c6966, address: 0x72646461, operand: 0x7265706f, walk: 0x6b6c6177 } as const;

/** Rotates a 32-bit word left. */
export function rotl(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** Replaces the 16 words of `state` by `iterations` applications of x <- ChaCha8(x) + x. */
export function iterateChaCha8(state: Int32Array, iterations: number): void {
  let x0 = state[0]!;
  let x1 = state[1]!;
  let x2 = state[2]!;
  let x3 = state[3]!;
  let x4 = state[4]!;
  let x5 = state[5]!;
  let x6 = state[6]!;
  let x7 = state[7]!;
  let x8 = state[8]!;
  let x9 = state[9]!;
  let x10 = state[10]!;
  let x11 = state[11]!;
  let x12 = state[12]!;
  let x13 = state[13]!;
  let x14 = state[14]!;
  let x15 = state[15]!;
  for (let i = 0; i < iterations; i++) {
    const b0 = x0;
    const b1 = x1;
    const b2 = x2;
    const b3 = x3;
    const b4 = x4;
    const b5 = x5;
    const b6 = x6;
    const b7 = x7;
    const b8 = x8;
    const b9 = x9;
    const b10 = x10;
    const b11 = x11;
    const b12 = x12;
    const b13 = x13;
    const b14 = x14;
    const b15 = x15;
    for (let doubleRound = 0; doubleRound < 4; doubleRound++) {
      // Columns.
      x0 = (x0 + x4) | 0;
      x12 = rotl(x12 ^ x0, 16);
      x8 = (x8 + x12) | 0;
      x4 = rotl(x4 ^ x8, 12);
      x0 = (x0 + x4) | 0;
      x12 = rotl(x12 ^ x0, 8);
      x8 = (x8 + x12) | 0;
      x4 = rotl(x4 ^ x8, 7);
      x1 = (x1 + x5) | 0;
      x13 = rotl(x13 ^ x1, 16);
      x9 = (x9 + x13) | 0;
      x5 = rotl(x5 ^ x9, 12);
      x1 = (x1 + x5) | 0;
      x13 = rotl(x13 ^ x1, 8);
      x9 = (x9 + x13) | 0;
      x5 = rotl(x5 ^ x9, 7);
      x2 = (x2 + x6) | 0;
      x14 = rotl(x14 ^ x2, 16);
      x10 = (x10 + x14) | 0;
      x6 = rotl(x6 ^ x10, 12);
      x2 = (x2 + x6) | 0;
      x14 = rotl(x14 ^ x2, 8);
      x10 = (x10 + x14) | 0;
      x6 = rotl(x6 ^ x10, 7);
      x3 = (x3 + x7) | 0;
      x15 = rotl(x15 ^ x3, 16);
      x11 = (x11 + x15) | 0;
      x7 = rotl(x7 ^ x11, 12);
      x3 = (x3 + x7) | 0;
      x15 = rotl(x15 ^ x3, 8);
      x11 = (x11 + x15) | 0;
      x7 = rotl(x7 ^ x11, 7);
      // Diagonals.
      x0 = (x0 + x5) | 0;
      x15 = rotl(x15 ^ x0, 16);
      x10 = (x10 + x15) | 0;
      x5 = rotl(x5 ^ x10, 12);
      x0 = (x0 + x5) | 0;
      x15 = rotl(x15 ^ x0, 8);
      x10 = (x10 + x15) | 0;
      x5 = rotl(x5 ^ x10, 7);
      x1 = (x1 + x6) | 0;
      x12 = rotl(x12 ^ x1, 16);
      x11 = (x11 + x12) | 0;
      x6 = rotl(x6 ^ x11, 12);
      x1 = (x1 + x6) | 0;
      x12 = rotl(x12 ^ x1, 8);
      x11 = (x11 + x12) | 0;
      x6 = rotl(x6 ^ x11, 7);
      x2 = (x2 + x7) | 0;
      x13 = rotl(x13 ^ x2, 16);
      x8 = (x8 + x13) | 0;
      x7 = rotl(x7 ^ x8, 12);
      x2 = (x2 + x7) | 0;
      x13 = rotl(x13 ^ x2, 8);
      x8 = (x8 + x13) | 0;
      x7 = rotl(x7 ^ x8, 7);
      x3 = (x3 + x4) | 0;
      x14 = rotl(x14 ^ x3, 16);
      x9 = (x9 + x14) | 0;
      x4 = rotl(x4 ^ x9, 12);
      x3 = (x3 + x4) | 0;
      x14 = rotl(x14 ^ x3, 8);
      x9 = (x9 + x14) | 0;
      x4 = rotl(x4 ^ x9, 7);
    }
    x0 = (x0 + b0) | 0;
    x1 = (x1 + b1) | 0;
    x2 = (x2 + b2) | 0;
    x3 = (x3 + b3) | 0;
    x4 = (x4 + b4) | 0;
    x5 = (x5 + b5) | 0;
    x6 = (x6 + b6) | 0;
    x7 = (x7 + b7) | 0;
    x8 = (x8 + b8) | 0;
    x9 = (x9 + b9) | 0;
    x10 = (x10 + b10) | 0;
    x11 = (x11 + b11) | 0;
    x12 = (x12 + b12) | 0;
    x13 = (x13 + b13) | 0;
    x14 = (x14 + b14) | 0;
    x15 = (x15 + b15) | 0;
  }
  state[0] = x0;
  state[1] = x1;
  state[2] = x2;
  state[3] = x3;
  state[4] = x4;
  state[5] = x5;
  state[6] = x6;
  state[7] = x7;
  state[8] = x8;
  state[9] = x9;
  state[10] = x10;
  state[11] = x11;
  state[12] = x12;
  state[13] = x13;
  state[14] = x14;
  state[15] = x15;
}

/** A starting state: constants, the eight words of a 32-byte key, words 12 and 13, and the domain. */
export function startState(key: Int32Array, word12: number, word13: number, domain: number): Int32Array {
  const state = new Int32Array(16);
  state.set(CONSTANTS, 0);
  state.set(key, 4);
  state[12] = word12;
  state[13] = word13;
  state[14] = domain;
  return state;
}

/** The eight little-endian words of a 32-byte key. */
export function keyWords(key: Uint8Array): Int32Array {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return Int32Array.from({ length: 8 }, (_, i) => view.getInt32(i * 4, true));
}
