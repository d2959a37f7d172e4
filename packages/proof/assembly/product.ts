/** Exact integer products: operands expanded from memory cells, sums of 64 x 64 tiles, and the word order in which a tile is digested. */
import { DOMAIN_OPERAND, setWord, storeStates } from './chacha';
import { streamFour } from './rounds.gen';

/** How a stream byte becomes an operand element. */
const KIND_INT8: i32 = 0;

/**
 * Expands elements of one segment as 16-bit integers: `blocks` (a multiple of 4) stream blocks of 64 elements from block
 * `firstBlock` on. `cell` is the resident cell that keys the segment, `key` the chain value. kind 0: the byte as int8; kind 1:
 * its low four bits minus 8.
 */
export function expandSegment(
  scratch: usize,
  key: usize,
  cell: usize,
  segment: u32,
  firstBlock: u32,
  blocks: u32,
  kind: i32,
  out: usize,
): void {
  const stream = scratch + 256;
  const bytes = scratch + 512;
  const low = i8x16.splat(15);
  const eight = i8x16.splat(8);
  for (let i = 0; i < 4; i++) setWord(scratch, i, load<i32>(cell + ((<usize>i) << 2)));
  for (let i = 0; i < 8; i++) {
    const at = (<usize>i) << 2;
    setWord(scratch, 4 + i, load<i32>(cell + at, 16) ^ load<i32>(key + at));
  }
  const word12 = i32x4.splat(load<i32>(cell, 48));
  setWord(scratch, 13, load<i32>(cell, 52) ^ segment);
  setWord(scratch, 14, load<i32>(cell, 56) ^ DOMAIN_OPERAND);
  setWord(scratch, 15, load<i32>(cell, 60));
  for (let block: u32 = firstBlock; block < firstBlock + blocks; block += 4) {
    v128.store(scratch, v128.xor(word12, i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3))), 192);
    streamFour(scratch, stream);
    storeStates(stream, bytes, bytes + 64, bytes + 128, bytes + 192);
    for (let i: usize = 0; i < 256; i += 16) {
      let v = v128.load(bytes + i);
      if (kind != KIND_INT8) v = i8x16.sub(v128.and(v, low), eight);
      v128.store(out + (i << 1), i16x8.extend_low_i8x16_s(v), 0);
      v128.store(out + (i << 1), i16x8.extend_high_i8x16_s(v), 16);
    }
    out += 512;
  }
}

/** The sum of the four lanes of each of four vectors, as one vector. */
function sumLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3));
}

/**
 * Adds to the 64 x 64 int32 sums at `sums` the products of `depth` (a multiple of 8) elements: row i of the 16-bit panel `a` with
 * row j of `b`. Rows lie `stride` bytes apart. Sums are exact: |sum| <= 2^14 * K < 2^31.
 */
export function addPanel(sums: usize, a: usize, b: usize, stride: usize, depth: usize): void {
  const bytes = depth << 1;
  for (let j: usize = 0; j < 64; j += 4) {
    const b0 = b + j * stride;
    const b1 = b0 + stride;
    const b2 = b1 + stride;
    const b3 = b2 + stride;
    for (let i: usize = 0; i < 64; i += 2) {
      const a0 = a + i * stride;
      const a1 = a0 + stride;
      let s00 = i32x4.splat(0);
      let s01 = i32x4.splat(0);
      let s02 = i32x4.splat(0);
      let s03 = i32x4.splat(0);
      let s10 = i32x4.splat(0);
      let s11 = i32x4.splat(0);
      let s12 = i32x4.splat(0);
      let s13 = i32x4.splat(0);
      for (let k: usize = 0; k < bytes; k += 16) {
        const x0 = v128.load(a0 + k);
        const x1 = v128.load(a1 + k);
        const y0 = v128.load(b0 + k);
        s00 = i32x4.add(s00, i32x4.dot_i16x8_s(x0, y0));
        s10 = i32x4.add(s10, i32x4.dot_i16x8_s(x1, y0));
        const y1 = v128.load(b1 + k);
        s01 = i32x4.add(s01, i32x4.dot_i16x8_s(x0, y1));
        s11 = i32x4.add(s11, i32x4.dot_i16x8_s(x1, y1));
        const y2 = v128.load(b2 + k);
        s02 = i32x4.add(s02, i32x4.dot_i16x8_s(x0, y2));
        s12 = i32x4.add(s12, i32x4.dot_i16x8_s(x1, y2));
        const y3 = v128.load(b3 + k);
        s03 = i32x4.add(s03, i32x4.dot_i16x8_s(x0, y3));
        s13 = i32x4.add(s13, i32x4.dot_i16x8_s(x1, y3));
      }
      const to = sums + (((i << 6) + j) << 2);
      v128.store(to, i32x4.add(v128.load(to), sumLanes(s00, s01, s02, s03)));
      v128.store(to, i32x4.add(v128.load(to, 256), sumLanes(s10, s11, s12, s13)), 256);
    }
  }
}

/**
 * Orders the 64 x 64 sums for the digest as tensor-core accumulators lie in registers: word 128 * i + lane, where the lane is
 * (row % 8, column / 2 % 4, row / 16) and i is (column / 8, row / 8 % 2, column % 2).
 */
export function orderTile(sums: usize, words: usize): void {
  for (let row: usize = 0; row < 64; row++) {
    for (let column: usize = 0; column < 64; column++) {
      const lane = (((row & 7) << 2) | ((column >> 1) & 3)) * 4 + (row >> 4);
      const i = ((column >> 3) << 2) | (((row >> 3) & 1) << 1) | (column & 1);
      store<i32>(words + (((i << 7) + lane) << 2), load<i32>(sums + (((row << 6) + column) << 2)));
    }
  }
}
