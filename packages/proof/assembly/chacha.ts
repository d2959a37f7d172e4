/** ChaCha8 states, four at once: word i of all four lies in one 128-bit vector, so no lane ever waits for another. The rounds are in `rounds.gen.ts`. */

/** The four ChaCha constants ("expand 32-byte k") and the domain words of the proof, little-endian ASCII. */
export const C0: i32 = 0x61707865;
export const C1: i32 = 0x3320646e;
export const C2: i32 = 0x79622d32;
export const C3: i32 = 0x6b206574;
export const DOMAIN_FILL: i32 = 0x6c6c6966;
export const DOMAIN_ADDRESS: i32 = 0x72646461;
export const DOMAIN_OPERAND: i32 = 0x7265706f;
export const DOMAIN_WALK: i32 = 0x6b6c6177;
export const DOMAIN_DISK: i32 = 0x6b736964;

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
