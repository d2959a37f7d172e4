/** The arithmetic of CGP-1 as a stranger wrote it from README.md alone: memory, digests, the four kinds of step, the Merkle tree. Imports nothing of ours. */
import { createHash } from 'node:crypto';

const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];
const FILL = 0x6c6c6966;
const ADDRESS = 0x72646461;
const OPERAND = 0x7265706f;
const WALK = 0x6b6c6177;

const WORDS_PER_CELL = 16;
const CELLS_PER_LEAF = 256;
const WORDS_PER_LEAF = WORDS_PER_CELL * CELLS_PER_LEAF;
const TILE = 64;

/** What a challenge frame asks for, except the pattern. */
export interface Sizes {
  readonly leaves: number;
  /** R: how often F is applied to fill one cell. */
  readonly fillRounds: number;
  readonly n: number;
  readonly k: number;
  readonly segment: number;
  readonly walkers: number;
  readonly hops: number;
}

/** SHA-256 of the parts, joined. */
export function sha(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** Little-endian words of bytes. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length >>> 2 }, (_, i) => view.getUint32(4 * i, true));
}

/** Little-endian bytes of words. */
export function bytesOf(words: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(4 * i, word, true));
  return bytes;
}

function rotl(word: number, bits: number): number {
  return ((word << bits) | (word >>> (32 - bits))) >>> 0;
}

/** The upper word of a x b, from 16-bit halves: no partial sum leaves 2^53. */
function umulhi(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + (other - (other % 0x10000)) / 0x10000) >>> 0;
}

function fold(x: number, m: number, a: number): number {
  const low = (Math.imul(x, m) >>> 0) + a;
  const carry = low > 0xffffffff ? 1 : 0;
  return ((low >>> 0) ^ (umulhi(x, m) + carry)) >>> 0;
}

function quarterRound(s: Uint32Array, a: number, b: number, c: number, d: number): void {
  s[a]! += s[b]!;
  s[d] = rotl(s[d]! ^ s[a]!, 16);
  s[c]! += s[d]!;
  s[b] = rotl(s[b]! ^ s[c]!, 12);
  s[a]! += s[b]!;
  s[d] = rotl(s[d]! ^ s[a]!, 8);
  s[c]! += s[d]!;
  s[b] = rotl(s[b]! ^ s[c]!, 7);
}

/** F(x) = P(x) + x. */
function feedForward(x: Uint32Array): Uint32Array {
  const s = Uint32Array.from(x);
  for (let double = 0; double < 4; double++) {
    quarterRound(s, 0, 4, 8, 12);
    quarterRound(s, 1, 5, 9, 13);
    quarterRound(s, 2, 6, 10, 14);
    quarterRound(s, 3, 7, 11, 15);
    quarterRound(s, 0, 5, 10, 15);
    quarterRound(s, 1, 6, 11, 12);
    quarterRound(s, 2, 7, 8, 13);
    quarterRound(s, 3, 4, 9, 14);
  }
  return s.map((word, i) => word + x[i]!);
}

function init(key: Uint32Array, a: number, b: number, domain: number): Uint32Array {
  return Uint32Array.from([...CONSTANTS, ...key, a, b, domain, 0]);
}

/** The 16 words of one cell of memory. */
export function cellOf(seed: Uint8Array, counter: number, fillRounds: number): Uint32Array {
  let x = init(wordsOf(seed), counter, Math.floor(counter / 2 ** 32), FILL);
  for (let i = 0; i < fillRounds; i++) x = feedForward(x);
  return x;
}

/** Where the words of a cell come from: filled memory, or made anew where only a few are looked at. */
export type Memory = (counter: number) => Uint32Array;

/** All leaves, cell by cell. */
export function fillMemory(seed: Uint8Array, { leaves, fillRounds }: Sizes): Memory {
  const words = new Uint32Array(leaves * WORDS_PER_LEAF);
  for (let counter = 0; counter < leaves * CELLS_PER_LEAF; counter++) {
    words.set(cellOf(seed, counter, fillRounds), counter * WORDS_PER_CELL);
  }
  return (counter) => words.subarray(counter * WORDS_PER_CELL, (counter + 1) * WORDS_PER_CELL);
}

/** D(q, index, w): 8 bytes. */
function digestOf(k: Uint32Array, index: number, w: Uint32Array): Uint8Array {
  const h = new Uint32Array(128);
  const multiplier = (j: number): number => (k[4 + (j % 4)]! | 1) >>> 0;
  for (let j = 0; j < 128; j++) {
    const m = multiplier(j);
    const a = k[j % 4]!;
    const mixed = Math.imul(j + 1, 0x9e3779b9) + Math.imul(index, 0x85ebca6b);
    let lane = (k[j % 8]! ^ mixed) >>> 0;
    for (let i = 0; i < 32; i++) lane = fold((lane ^ w[128 * i + j]!) >>> 0, m, a);
    h[j] = lane;
  }
  for (let half = 64; half >= 2; half /= 2) {
    for (let j = 0; j < half; j++) {
      h[j] = fold((h[j]! ^ rotl(h[j + half]!, 11)) >>> 0, multiplier(j), h[j + half]!);
    }
  }
  return bytesOf(h.subarray(0, 2));
}

function sweepAnswer(memory: Memory, k: Uint32Array, leaf: number): Uint8Array {
  const words = new Uint32Array(WORDS_PER_LEAF);
  for (let cell = 0; cell < CELLS_PER_LEAF; cell++)
    words.set(memory(leaf * CELLS_PER_LEAF + cell), cell * WORDS_PER_CELL);
  return digestOf(k, leaf, words);
}

function walkAnswer(memory: Memory, k: Uint32Array, walker: number, { leaves, hops }: Sizes): Uint8Array {
  const s = feedForward(init(k, walker, 0, WALK)).subarray(0, 4);
  for (let hop = 0; hop < hops; hop++) {
    const cell = memory(umulhi(s[0]!, leaves) * CELLS_PER_LEAF + (s[1]! % CELLS_PER_LEAF));
    cell.forEach((word, i) => {
      const t = i % 4;
      s[t] = fold((s[t]! ^ word) >>> 0, (k[4 + t]! | 1) >>> 0, s[(t + 1) % 4]!);
    });
  }
  return bytesOf(s.subarray(0, 2));
}

type Product = 'int8' | 'bf16';

/** The first `length` elements of segment s, keyed by `cell`. */
export function expandSegment(
  product: Product,
  k: Uint32Array,
  cell: Uint32Array,
  s: number,
  length: number,
): Int8Array {
  const elements = new Int8Array(length);
  for (let block = 0; block * 64 < length; block++) {
    const y = Uint32Array.from(cell);
    k.forEach((word, i) => (y[4 + i]! ^= word));
    y[12]! ^= block;
    y[13]! ^= s;
    y[14]! ^= OPERAND;
    bytesOf(feedForward(y)).forEach((byte, i) => {
      elements[64 * block + i] = product === 'int8' ? byte : (byte & 15) - 8;
    });
  }
  return elements;
}

/** Rows of A (0 .. n - 1) and of B transposed (n .. 2 n - 1), each made when it is first asked for. */
function rowsOf(product: Product, memory: Memory, k: Uint32Array, sizes: Sizes): (row: number) => Int8Array {
  const segmentsPerRow = sizes.k / sizes.segment;
  const made = new Map<number, Int8Array>();
  return (row) => {
    let elements = made.get(row);
    if (elements !== undefined) return elements;
    elements = new Int8Array(sizes.k);
    for (let i = 0; i < segmentsPerRow; i++) {
      const s = row * segmentsPerRow + i;
      const v = feedForward(init(k, s >>> 3, 0, ADDRESS));
      const e = 2 * (s % 8);
      const cell = memory(umulhi(v[e]!, sizes.leaves) * CELLS_PER_LEAF + (v[e + 1]! % CELLS_PER_LEAF));
      elements.set(expandSegment(product, k, cell, s, sizes.segment), i * sizes.segment);
    }
    made.set(row, elements);
    return elements;
  };
}

function tileAnswer(row: (row: number) => Int8Array, k: Uint32Array, tile: number, { n }: Sizes): Uint8Array {
  const tilesPerRow = n / TILE;
  const words = new Uint32Array(TILE * TILE);
  for (let r = 0; r < TILE; r++) {
    const a = row(TILE * Math.floor(tile / tilesPerRow) + r);
    for (let c = 0; c < TILE; c++) {
      const b = row(n + TILE * (tile % tilesPerRow) + c);
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
      const outer = (c >> 3) * 4 + ((r >> 3) % 2) * 2 + (c % 2);
      const lane = ((r % 8) * 4 + ((c >> 1) % 4)) * 4 + (r >> 4);
      words[128 * outer + lane] = sum;
    }
  }
  return digestOf(k, tile, words);
}

/** What gives the answers of one step, by number; the step's code is that of the challenge: 0 sweep, 1 walk, 2 int8, 3 bf16. */
export function answersOf(code: number, memory: Memory, q: Uint8Array, sizes: Sizes): (index: number) => Uint8Array {
  const k = wordsOf(q);
  if (code === 0) return (leaf) => sweepAnswer(memory, k, leaf);
  if (code === 1) return (walker) => walkAnswer(memory, k, walker, sizes);
  const row = rowsOf(code === 2 ? 'int8' : 'bf16', memory, k, sizes);
  return (tile) => tileAnswer(row, k, tile, sizes);
}

/** How many answers a step has. */
export function answerCount(code: number, { leaves, walkers, n }: Sizes): number {
  if (code === 0) return leaves;
  return code === 1 ? walkers : (n / TILE) ** 2;
}

/** All levels of the Merkle tree over the answers, leaves first, root last. */
export function treeOf(answers: readonly Uint8Array[]): Uint8Array[][] {
  const leaves: Uint8Array[] = [];
  for (let i = 0; i < answers.length; i += 8) {
    leaves.push(sha(...answers.slice(i, i + 8), Uint8Array.of(0)));
  }
  const levels = [leaves];
  for (let level = leaves; level.length > 1; levels.push(level)) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < level.length; i += 2) {
      const [left, right] = [level[i]!, level[i + 1]];
      above.push(right === undefined ? left : sha(left, right, Uint8Array.of(1)));
    }
    level = above;
  }
  return levels;
}

/** The siblings of answer i on the way up, lowest first. */
export function pathOf(levels: readonly (readonly Uint8Array[])[], answer: number): Uint8Array[] {
  let node = Math.floor(answer / 8);
  const path: Uint8Array[] = [];
  for (const level of levels.slice(0, -1)) {
    const sibling = level[node ^ 1];
    if (sibling !== undefined) path.push(sibling);
    node >>= 1;
  }
  return path;
}
