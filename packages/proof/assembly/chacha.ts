/** ChaCha8 on four independent 64-byte states at once: word i of all four lies in one 128-bit vector, so no lane ever waits for another. */

/** The four ChaCha constants ("expand 32-byte k") and the domain words of the proof, little-endian ASCII. */
export const C0: i32 = 0x61707865;
export const C1: i32 = 0x3320646e;
export const C2: i32 = 0x79622d32;
export const C3: i32 = 0x6b206574;
export const DOMAIN_FILL: i32 = 0x6c6c6966;
export const DOMAIN_ADDRESS: i32 = 0x72646461;
export const DOMAIN_OPERAND: i32 = 0x7265706f;
export const DOMAIN_WALK: i32 = 0x6b6c6177;

/** Rotates each 32-bit lane left by `bits`. */
export function rotl(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** Rotates each 32-bit lane by 16: swapping halves takes two instructions where shifting takes three. */
export function swapHalves(x: v128): v128 {
  return v128.shuffle<u16>(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
}

/**
 * Replaces the four states at `base` (16 vectors) by `iterations` applications of x <- ChaCha8(x) + x. The feed-forward
 * copy stays in memory because sixteen vectors are all the registers there are.
 */
export function iterate(base: usize, iterations: i32): void {
  let a0 = v128.load(base, 0);
  let a1 = v128.load(base, 16);
  let a2 = v128.load(base, 32);
  let a3 = v128.load(base, 48);
  let b0 = v128.load(base, 64);
  let b1 = v128.load(base, 80);
  let b2 = v128.load(base, 96);
  let b3 = v128.load(base, 112);
  let c0 = v128.load(base, 128);
  let c1 = v128.load(base, 144);
  let c2 = v128.load(base, 160);
  let c3 = v128.load(base, 176);
  let d0 = v128.load(base, 192);
  let d1 = v128.load(base, 208);
  let d2 = v128.load(base, 224);
  let d3 = v128.load(base, 240);
  for (let i = 0; i < iterations; i++) {
    for (let doubleRound = 0; doubleRound < 4; doubleRound++) {
      // Columns.
      a0 = i32x4.add(a0, b0);
      d0 = swapHalves(v128.xor(d0, a0));
      c0 = i32x4.add(c0, d0);
      b0 = rotl(v128.xor(b0, c0), 12);
      a0 = i32x4.add(a0, b0);
      d0 = rotl(v128.xor(d0, a0), 8);
      c0 = i32x4.add(c0, d0);
      b0 = rotl(v128.xor(b0, c0), 7);
      a1 = i32x4.add(a1, b1);
      d1 = swapHalves(v128.xor(d1, a1));
      c1 = i32x4.add(c1, d1);
      b1 = rotl(v128.xor(b1, c1), 12);
      a1 = i32x4.add(a1, b1);
      d1 = rotl(v128.xor(d1, a1), 8);
      c1 = i32x4.add(c1, d1);
      b1 = rotl(v128.xor(b1, c1), 7);
      a2 = i32x4.add(a2, b2);
      d2 = swapHalves(v128.xor(d2, a2));
      c2 = i32x4.add(c2, d2);
      b2 = rotl(v128.xor(b2, c2), 12);
      a2 = i32x4.add(a2, b2);
      d2 = rotl(v128.xor(d2, a2), 8);
      c2 = i32x4.add(c2, d2);
      b2 = rotl(v128.xor(b2, c2), 7);
      a3 = i32x4.add(a3, b3);
      d3 = swapHalves(v128.xor(d3, a3));
      c3 = i32x4.add(c3, d3);
      b3 = rotl(v128.xor(b3, c3), 12);
      a3 = i32x4.add(a3, b3);
      d3 = rotl(v128.xor(d3, a3), 8);
      c3 = i32x4.add(c3, d3);
      b3 = rotl(v128.xor(b3, c3), 7);
      // Diagonals.
      a0 = i32x4.add(a0, b1);
      d3 = swapHalves(v128.xor(d3, a0));
      c2 = i32x4.add(c2, d3);
      b1 = rotl(v128.xor(b1, c2), 12);
      a0 = i32x4.add(a0, b1);
      d3 = rotl(v128.xor(d3, a0), 8);
      c2 = i32x4.add(c2, d3);
      b1 = rotl(v128.xor(b1, c2), 7);
      a1 = i32x4.add(a1, b2);
      d0 = swapHalves(v128.xor(d0, a1));
      c3 = i32x4.add(c3, d0);
      b2 = rotl(v128.xor(b2, c3), 12);
      a1 = i32x4.add(a1, b2);
      d0 = rotl(v128.xor(d0, a1), 8);
      c3 = i32x4.add(c3, d0);
      b2 = rotl(v128.xor(b2, c3), 7);
      a2 = i32x4.add(a2, b3);
      d1 = swapHalves(v128.xor(d1, a2));
      c0 = i32x4.add(c0, d1);
      b3 = rotl(v128.xor(b3, c0), 12);
      a2 = i32x4.add(a2, b3);
      d1 = rotl(v128.xor(d1, a2), 8);
      c0 = i32x4.add(c0, d1);
      b3 = rotl(v128.xor(b3, c0), 7);
      a3 = i32x4.add(a3, b0);
      d2 = swapHalves(v128.xor(d2, a3));
      c1 = i32x4.add(c1, d2);
      b0 = rotl(v128.xor(b0, c1), 12);
      a3 = i32x4.add(a3, b0);
      d2 = rotl(v128.xor(d2, a3), 8);
      c1 = i32x4.add(c1, d2);
      b0 = rotl(v128.xor(b0, c1), 7);
    }
    a0 = i32x4.add(a0, v128.load(base, 0));
    v128.store(base, a0, 0);
    a1 = i32x4.add(a1, v128.load(base, 16));
    v128.store(base, a1, 16);
    a2 = i32x4.add(a2, v128.load(base, 32));
    v128.store(base, a2, 32);
    a3 = i32x4.add(a3, v128.load(base, 48));
    v128.store(base, a3, 48);
    b0 = i32x4.add(b0, v128.load(base, 64));
    v128.store(base, b0, 64);
    b1 = i32x4.add(b1, v128.load(base, 80));
    v128.store(base, b1, 80);
    b2 = i32x4.add(b2, v128.load(base, 96));
    v128.store(base, b2, 96);
    b3 = i32x4.add(b3, v128.load(base, 112));
    v128.store(base, b3, 112);
    c0 = i32x4.add(c0, v128.load(base, 128));
    v128.store(base, c0, 128);
    c1 = i32x4.add(c1, v128.load(base, 144));
    v128.store(base, c1, 144);
    c2 = i32x4.add(c2, v128.load(base, 160));
    v128.store(base, c2, 160);
    c3 = i32x4.add(c3, v128.load(base, 176));
    v128.store(base, c3, 176);
    d0 = i32x4.add(d0, v128.load(base, 192));
    v128.store(base, d0, 192);
    d1 = i32x4.add(d1, v128.load(base, 208));
    v128.store(base, d1, 208);
    d2 = i32x4.add(d2, v128.load(base, 224));
    v128.store(base, d2, 224);
    d3 = i32x4.add(d3, v128.load(base, 240));
    v128.store(base, d3, 240);
  }
}

/** Sets word `word` of all four states at `base` to one value. */
export function setWord(base: usize, word: i32, value: i32): void {
  v128.store(base + ((<usize>word) << 4), i32x4.splat(value));
}

/** Sets word `word` of the four states to four values. */
export function setWords(base: usize, word: i32, v0: i32, v1: i32, v2: i32, v3: i32): void {
  let v = i32x4.splat(v0);
  v = i32x4.replace_lane(v, 1, v1);
  v = i32x4.replace_lane(v, 2, v2);
  v = i32x4.replace_lane(v, 3, v3);
  v128.store(base + ((<usize>word) << 4), v);
}

/** Writes the constants, the 32-byte key at `key` and the domain into the four states; the caller sets words 12 and 13. */
export function startStates(base: usize, key: usize, domain: i32): void {
  setWord(base, 0, C0);
  setWord(base, 1, C1);
  setWord(base, 2, C2);
  setWord(base, 3, C3);
  for (let i = 0; i < 8; i++) setWord(base, 4 + i, load<i32>(key + ((<usize>i) << 2)));
  setWord(base, 14, domain);
  setWord(base, 15, 0);
}

/** Writes the four states as four 64-byte cells at `o0` to `o3`. */
export function storeStates(base: usize, o0: usize, o1: usize, o2: usize, o3: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    const at = base + (group << 6);
    const r0 = v128.load(at, 0);
    const r1 = v128.load(at, 16);
    const r2 = v128.load(at, 32);
    const r3 = v128.load(at, 48);
    const lo01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const hi01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const lo23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const hi23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    const offset = group << 4;
    v128.store(o0 + offset, v128.shuffle<i64>(lo01, lo23, 0, 2));
    v128.store(o1 + offset, v128.shuffle<i64>(lo01, lo23, 1, 3));
    v128.store(o2 + offset, v128.shuffle<i64>(hi01, hi23, 0, 2));
    v128.store(o3 + offset, v128.shuffle<i64>(hi01, hi23, 1, 3));
  }
}

/** Reads four 64-byte cells into the four states: the inverse of `storeStates`. */
export function loadStates(base: usize, o0: usize, o1: usize, o2: usize, o3: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    const offset = group << 4;
    const r0 = v128.load(o0 + offset);
    const r1 = v128.load(o1 + offset);
    const r2 = v128.load(o2 + offset);
    const r3 = v128.load(o3 + offset);
    const lo01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const hi01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const lo23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const hi23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    const at = base + (group << 6);
    v128.store(at, v128.shuffle<i64>(lo01, lo23, 0, 2), 0);
    v128.store(at, v128.shuffle<i64>(lo01, lo23, 1, 3), 16);
    v128.store(at, v128.shuffle<i64>(hi01, hi23, 0, 2), 32);
    v128.store(at, v128.shuffle<i64>(hi01, hi23, 1, 3), 48);
  }
}
