/** The filled memory: cells from (seed, counter), keyed digests of 16 KiB blocks, and walks that hop from cell to cell. */
import { DOMAIN_ADDRESS, DOMAIN_FILL, DOMAIN_WALK, loadStates, setWords, startStates, storeStates } from './chacha';
import { iterateFive, streamFour } from './rounds.gen';
import { mulFold, rotateLeft } from './vectors';

/** Where the fifth state of five lies behind the four. */
const SINGLE: usize = 256;

/** Starts five cell states: four as vectors, the fifth as words behind them. */
function startFive(scratch: usize, seed: usize): void {
  startStates(scratch, seed, DOMAIN_FILL);
  const single = scratch + SINGLE;
  for (let word: usize = 0; word < 16; word++) store<i32>(single + (word << 2), load<i32>(scratch + (word << 4)));
}

/** Sets words 12 and 13 of state `lane` of five to a cell's counter. */
function setCounter(scratch: usize, lane: u32, counter: u64): void {
  const at = lane < 4 ? scratch + 192 + ((<usize>lane) << 2) : scratch + SINGLE + 48;
  store<i32>(at, <i32>counter);
  store<i32>(at + (lane < 4 ? 16 : 4), <i32>(counter >> 32));
}

/** Writes five finished states to the cells first .. first + 4 of `out`; those past `last` fall on `last`, where they repeat what is there. */
function storeFive(scratch: usize, out: usize, first: u32, last: u32): void {
  const o0 = out + ((<usize>first) << 6);
  const o1 = out + ((<usize>min(first + 1, last)) << 6);
  const o2 = out + ((<usize>min(first + 2, last)) << 6);
  const o3 = out + ((<usize>min(first + 3, last)) << 6);
  storeStates(scratch, o0, o1, o2, o3);
  memory.copy(out + ((<usize>min(first + 4, last)) << 6), scratch + SINGLE, 64);
}

/** `count` consecutive cells from `counter` on, written to `out`. */
export function fillCells(scratch: usize, seed: usize, iterations: i32, counter: u64, count: u32, out: usize): void {
  const last = count - 1;
  for (let i: u32 = 0; i < count; i += 5) {
    startFive(scratch, seed);
    for (let lane: u32 = 0; lane < 5; lane++) setCounter(scratch, lane, counter + <u64>min(i + lane, last));
    iterateFive(scratch, iterations);
    storeFive(scratch, out, i, last);
  }
}

/** `count` cells whose counters are the u64 at `counters`, written to `out`. */
export function fillCellsAt(
  scratch: usize,
  seed: usize,
  iterations: i32,
  counters: usize,
  count: u32,
  out: usize,
): void {
  const last = count - 1;
  for (let i: u32 = 0; i < count; i += 5) {
    startFive(scratch, seed);
    for (let lane: u32 = 0; lane < 5; lane++) {
      setCounter(scratch, lane, load<u64>(counters + ((<usize>min(i + lane, last)) << 3)));
    }
    iterateFive(scratch, iterations);
    storeFive(scratch, out, i, last);
  }
}

/** Copies `count` cells of the resident memory at `memory`, whose counters are the u64 at `counters`, to `out`. */
export function gatherCells(memory: usize, counters: usize, count: u32, out: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    const from = memory + ((<usize>load<u64>(counters + ((<usize>i) << 3))) << 6);
    const to = out + ((<usize>i) << 6);
    v128.store(to, v128.load(from, 0), 0);
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
}

/** The cell that two random words choose: a leaf by multiplication, a cell in it by mask. */
function chooseCell(a: u32, b: u32, leaves: u32): u64 {
  return (((<u64>a * <u64>leaves) >> 32) << 8) | <u64>(b & 255);
}

/** The counters (u64) of the cells that key the operand segments first .. first + count - 1; both multiples of 32. */
export function segmentCounters(scratch: usize, key: usize, first: u32, count: u32, leaves: u32, out: usize): void {
  const blocks = scratch + 256;
  for (let i: u32 = 0; i < count; i += 32) {
    const block = (first + i) >> 3;
    startStates(scratch, key, DOMAIN_ADDRESS);
    setWords(scratch, 12, block, block + 1, block + 2, block + 3);
    setWords(scratch, 13, 0, 0, 0, 0);
    streamFour(scratch, scratch);
    storeStates(scratch, blocks, blocks + 64, blocks + 128, blocks + 192);
    for (let j: u32 = 0; j < 32; j++) {
      const words = blocks + ((<usize>j) << 3);
      store<u64>(out + ((<usize>(i + j)) << 3), chooseCell(load<u32>(words), load<u32>(words, 4), leaves));
    }
  }
}

/** The mixing of two digest lanes into one. */
function mix(a: v128, b: v128, multiplier: v128): v128 {
  return mulFold(v128.xor(a, rotateLeft(b, 11)), multiplier, b);
}

/** The 8-byte keyed digest of the 4,096 words at `words`, written to `out`. 128 lanes, then a tree of lanes. */
export function digestWords(scratch: usize, key: usize, index: u32, words: usize, out: usize): void {
  const addend = v128.load(key);
  const multiplier = v128.or(v128.load(key, 16), i32x4.splat(1));
  const position = <i32>(index * 0x85ebca6b);
  for (let group: usize = 0; group < 32; group += 4) {
    let h0 = laneStart(key, group, position);
    let h1 = laneStart(key, group + 1, position);
    let h2 = laneStart(key, group + 2, position);
    let h3 = laneStart(key, group + 3, position);
    const from = words + (group << 4);
    for (let i: usize = 0; i < 16384; i += 512) {
      h0 = mulFold(v128.xor(h0, v128.load(from + i, 0)), multiplier, addend);
      h1 = mulFold(v128.xor(h1, v128.load(from + i, 16)), multiplier, addend);
      h2 = mulFold(v128.xor(h2, v128.load(from + i, 32)), multiplier, addend);
      h3 = mulFold(v128.xor(h3, v128.load(from + i, 48)), multiplier, addend);
    }
    const to = scratch + (group << 4);
    v128.store(to, h0, 0);
    v128.store(to, h1, 16);
    v128.store(to, h2, 32);
    v128.store(to, h3, 48);
  }
  for (let half: usize = 16; half > 0; half >>= 1) {
    for (let g: usize = 0; g < half; g++) {
      const at = scratch + (g << 4);
      v128.store(at, mix(v128.load(at), v128.load(at + (half << 4)), multiplier));
    }
  }
  const last = v128.load(scratch);
  const folded = mix(last, v128.shuffle<i32>(last, last, 2, 3, 2, 3), multiplier);
  store<u64>(out, <u64>i64x2.extract_lane(folded, 0));
}

/** The starting values of lanes 4 * group .. 4 * group + 3. */
function laneStart(key: usize, group: usize, position: i32): v128 {
  const lane = <i32>(group << 2);
  const numbers = i32x4.mul(i32x4.add(i32x4.splat(lane), i32x4(1, 2, 3, 4)), i32x4.splat(0x9e3779b9));
  return v128.xor(v128.load(key + ((group & 1) << 4)), i32x4.add(numbers, i32x4.splat(position)));
}

/** Word `word` of each of the four 32-byte keys at `keys`. */
function keyWord(keys: usize, word: usize): v128 {
  const at = keys + (word << 2);
  let v = i32x4.splat(load<i32>(at));
  v = i32x4.replace_lane(v, 1, load<i32>(at, 32));
  v = i32x4.replace_lane(v, 2, load<i32>(at, 64));
  return i32x4.replace_lane(v, 3, load<i32>(at, 96));
}

/**
 * Four walks, each with its own chain value at `keys` (32 bytes each) and its own number (u32 at `numbers`). With `memory` not 0 the
 * cells are read there, else they are made from the seed. Writes four 8-byte digests to `out`. Uses 1 KiB of scratch.
 */
export function walkFour(
  scratch: usize,
  seed: usize,
  iterations: i32,
  keys: usize,
  numbers: usize,
  hops: i32,
  leaves: u32,
  memory: usize,
  out: usize,
): void {
  startStates(scratch, keys, DOMAIN_WALK);
  for (let i: usize = 0; i < 8; i++) v128.store(scratch + ((4 + i) << 4), keyWord(keys, i));
  v128.store(scratch, v128.load(numbers), 192);
  setWords(scratch, 13, 0, 0, 0, 0);
  streamFour(scratch, scratch);
  let s0 = v128.load(scratch, 0);
  let s1 = v128.load(scratch, 16);
  let s2 = v128.load(scratch, 32);
  let s3 = v128.load(scratch, 48);
  const one = i32x4.splat(1);
  const m0 = v128.or(keyWord(keys, 4), one);
  const m1 = v128.or(keyWord(keys, 5), one);
  const m2 = v128.or(keyWord(keys, 6), one);
  const m3 = v128.or(keyWord(keys, 7), one);
  const cells = scratch + 256;
  for (let hop = 0; hop < hops; hop++) {
    const c0 = chooseCell(i32x4.extract_lane(s0, 0), i32x4.extract_lane(s1, 0), leaves);
    const c1 = chooseCell(i32x4.extract_lane(s0, 1), i32x4.extract_lane(s1, 1), leaves);
    const c2 = chooseCell(i32x4.extract_lane(s0, 2), i32x4.extract_lane(s1, 2), leaves);
    const c3 = chooseCell(i32x4.extract_lane(s0, 3), i32x4.extract_lane(s1, 3), leaves);
    if (memory != 0) {
      loadStates(
        cells,
        memory + ((<usize>c0) << 6),
        memory + ((<usize>c1) << 6),
        memory + ((<usize>c2) << 6),
        memory + ((<usize>c3) << 6),
      );
    } else {
      startStates(cells, seed, DOMAIN_FILL);
      setWords(cells, 12, <i32>c0, <i32>c1, <i32>c2, <i32>c3);
      setWords(cells, 13, <i32>(c0 >> 32), <i32>(c1 >> 32), <i32>(c2 >> 32), <i32>(c3 >> 32));
      iterateFive(cells, iterations);
    }
    for (let row: usize = 0; row < 256; row += 64) {
      s0 = mulFold(v128.xor(s0, v128.load(cells + row, 0)), m0, s1);
      s1 = mulFold(v128.xor(s1, v128.load(cells + row, 16)), m1, s2);
      s2 = mulFold(v128.xor(s2, v128.load(cells + row, 32)), m2, s3);
      s3 = mulFold(v128.xor(s3, v128.load(cells + row, 48)), m3, s0);
    }
  }
  const low = v128.shuffle<i32>(s0, s1, 0, 4, 1, 5);
  const high = v128.shuffle<i32>(s0, s1, 2, 6, 3, 7);
  v128.store(out, low, 0);
  v128.store(out, high, 16);
}
