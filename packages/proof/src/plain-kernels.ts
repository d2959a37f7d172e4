/** The audit's kernels in plain JavaScript, written from the definition: slow, clear, and the oracle for the WASM and for any other prover. */
import type { AuditKernels, ProductKind, WalkRequest } from './kernels.ts';
import {
  CELL_BYTES,
  CELLS_PER_LEAF,
  DIGEST_BYTES,
  LEAF_BYTES,
  TILE_SIZE,
  type ProofParams,
  segmentsPerRow,
} from './params.ts';
import { DOMAIN, iterateChaCha8, keyWords, rotl, startState } from './plain-chacha.ts';

const WORDS_PER_BLOCK = LEAF_BYTES / 4;
const LANES = 128;
const CELL_WORDS = CELL_BYTES / 4;

/** A memory cell's place: its leaf and its number in the leaf. */
interface CellPlace {
  leaf: number;
  cell: number;
}

/** floor(random * leaves / 2^32) without leaving exact doubles, and the low eight bits of a second word. */
function chooseCell(random: number, second: number, leaves: number): CellPlace {
  const high = (random >>> 16) * leaves;
  const low = Math.floor(((random & 0xffff) * leaves) / 65536);
  return { leaf: Math.floor((high + low) / 65536), cell: second & 255 };
}

/** The 16 words of a memory cell: `iterations` of ChaCha8 with feed-forward from (seed, counter), counter = leaf * 256 + cell. */
export function makeCell(seed: Int32Array, iterations: number, place: CellPlace): Int32Array {
  const low = (place.leaf << 8) | place.cell | 0;
  const state = startState(seed, low, place.leaf >>> 24, DOMAIN.fill);
  iterateChaCha8(state, iterations);
  return state;
}

/** The 64-bit x * m + a of unsigned words, its two words xored; products of halves keep every step inside exact doubles. */
function mulFold(x: number, m: number, a: number): number {
  const lowLow = (x & 0xffff) * (m & 0xffff);
  const lowHigh = (x & 0xffff) * (m >>> 16);
  const highLow = (x >>> 16) * (m & 0xffff);
  const middle = (lowLow >>> 16) + (lowHigh & 0xffff) + (highLow & 0xffff);
  const low = (Math.imul(x, m) >>> 0) + (a >>> 0);
  const carry = low > 0xffff_ffff ? 1 : 0;
  return ((x >>> 16) * (m >>> 16) + (lowHigh >>> 16) + (highLow >>> 16) + (middle >>> 16) + carry) ^ low;
}

/** The keyed digest of 4,096 words: 128 lanes of 32 words each, then a tree that halves the lanes down to two. */
export function digestWords(key: Int32Array, index: number, words: Int32Array): Uint8Array {
  const lanes = new Int32Array(LANES);
  const position = Math.imul(index, 0x85ebca6b);
  for (let lane = 0; lane < LANES; lane++) {
    const multiplier = key[4 + (lane & 3)]! | 1;
    const addend = key[lane & 3]!;
    let h = key[lane & 7]! ^ ((Math.imul(lane + 1, 0x9e3779b9) + position) | 0);
    for (let i = lane; i < WORDS_PER_BLOCK; i += LANES) h = mulFold(h ^ words[i]!, multiplier, addend);
    lanes[lane] = h;
  }
  for (let half = LANES / 2; half >= 2; half /= 2) {
    for (let lane = 0; lane < half; lane++) {
      const other = lanes[lane + half]!;
      lanes[lane] = mulFold(lanes[lane]! ^ rotl(other, 11), key[4 + (lane & 3)]! | 1, other);
    }
  }
  return wordBytes(lanes[0]!, lanes[1]!);
}

function wordBytes(first: number, second: number): Uint8Array {
  const out = new Uint8Array(DIGEST_BYTES);
  const view = new DataView(out.buffer);
  view.setInt32(0, first, true);
  view.setInt32(4, second, true);
  return out;
}

/** The cell that keys an operand segment: eight choices per ChaCha8 block of the chain value. */
function segmentPlace(q: Int32Array, segment: number, leaves: number): CellPlace {
  const block = startState(q, segment >>> 3, 0, DOMAIN.address);
  iterateChaCha8(block, 1);
  const at = (segment & 7) * 2;
  return chooseCell(block[at]!, block[at + 1]!, leaves);
}

/** The elements of one operand segment, from the cell that keys it and the chain value. */
export function expandSegment(
  kind: ProductKind,
  q: Int32Array,
  cell: Int32Array,
  segment: number,
  elements: number,
): Int8Array {
  const out = new Int8Array(elements);
  const block = new Int32Array(CELL_WORDS);
  const bytes = new Uint8Array(block.buffer);
  for (let at = 0; at < elements; at += CELL_BYTES) {
    block.set(cell);
    for (let i = 0; i < 8; i++) block[4 + i]! ^= q[i]!;
    block[12]! ^= at / CELL_BYTES;
    block[13]! ^= segment;
    block[14]! ^= DOMAIN.operand;
    iterateChaCha8(block, 1);
    for (let i = 0; i < CELL_BYTES; i++) out[at + i] = kind === 'int8' ? bytes[i]! : (bytes[i]! & 15) - 8;
  }
  return out;
}

/** One operand row of a product: row i of A for i below the product's size, then the rows of B transposed. */
export function operandRow(
  params: ProofParams,
  seed: Int32Array,
  kind: ProductKind,
  q: Int32Array,
  index: number,
): Int8Array {
  const { fillIterations, memoryLeaves, segmentBytes } = params;
  const perRow = segmentsPerRow(params);
  const row = new Int8Array(params.productDepth);
  for (let j = 0; j < perRow; j++) {
    const segment = index * perRow + j;
    const cell = makeCell(seed, fillIterations, segmentPlace(q, segment, memoryLeaves));
    row.set(expandSegment(kind, q, cell, segment, segmentBytes), j * segmentBytes);
  }
  return row;
}

/** The place of a tile's sum (row, column) in the words that are digested: the order of tensor-core accumulators. */
export function tileWordIndex(row: number, column: number): number {
  const lane = (((row & 7) << 2) | ((column >> 1) & 3)) * 4 + (row >> 4);
  const i = ((column >> 3) << 2) | (((row >> 3) & 1) << 1) | (column & 1);
  return i * LANES + lane;
}

/** Four sums at a time: one row of A with four rows of B. */
function dotFour(a: Int8Array, rows: readonly Int8Array[], first: number, out: Int32Array): void {
  const b0 = rows[first]!;
  const b1 = rows[first + 1]!;
  const b2 = rows[first + 2]!;
  const b3 = rows[first + 3]!;
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let k = 0; k < a.length; k++) {
    const x = a[k]!;
    s0 = (s0 + Math.imul(x, b0[k]!)) | 0;
    s1 = (s1 + Math.imul(x, b1[k]!)) | 0;
    s2 = (s2 + Math.imul(x, b2[k]!)) | 0;
    s3 = (s3 + Math.imul(x, b3[k]!)) | 0;
  }
  out[0] = s0;
  out[1] = s1;
  out[2] = s2;
  out[3] = s3;
}

/** The audit's kernels in plain JavaScript for one seed. */
export function plainKernels(params: ProofParams, seed: Uint8Array): AuditKernels {
  const seedWords = keyWords(seed);
  const { memoryLeaves, fillIterations, productSize } = params;

  /** 64 operand rows from `firstRow` on; rows of B follow the `productSize` rows of A. */
  function operandRows(kind: ProductKind, q: Int32Array, firstRow: number): Int8Array[] {
    return Array.from({ length: TILE_SIZE }, (_, i) => operandRow(params, seedWords, kind, q, firstRow + i));
  }

  function walkDigest({ q, walk }: WalkRequest): Uint8Array {
    const key = keyWords(q);
    const start = startState(key, walk, 0, DOMAIN.walk);
    iterateChaCha8(start, 1);
    const s = start.subarray(0, 4);
    for (let hop = 0; hop < params.hopsPerWalk; hop++) {
      const cell = makeCell(seedWords, fillIterations, chooseCell(s[0]!, s[1]!, memoryLeaves));
      for (let i = 0; i < CELL_WORDS; i++) {
        const k = i & 3;
        s[k] = mulFold(s[k]! ^ cell[i]!, key[4 + k]! | 1, s[(k + 1) & 3]!);
      }
    }
    return wordBytes(s[0]!, s[1]!);
  }

  return {
    leafDigest(q, leaf) {
      const words = new Int32Array(WORDS_PER_BLOCK);
      for (let cell = 0; cell < CELLS_PER_LEAF; cell++) {
        words.set(makeCell(seedWords, fillIterations, { leaf, cell }), cell * CELL_WORDS);
      }
      return digestWords(keyWords(q), leaf, words);
    },
    tileDigest(kind, q, tile) {
      const key = keyWords(q);
      const across = productSize / TILE_SIZE;
      const a = operandRows(kind, key, Math.floor(tile / across) * TILE_SIZE);
      const b = operandRows(kind, key, productSize + (tile % across) * TILE_SIZE);
      const words = new Int32Array(WORDS_PER_BLOCK);
      const sums = new Int32Array(4);
      for (const [row, elements] of a.entries()) {
        for (let column = 0; column < TILE_SIZE; column += 4) {
          dotFour(elements, b, column, sums);
          for (let i = 0; i < 4; i++) words[tileWordIndex(row, column + i)] = sums[i]!;
        }
      }
      return digestWords(key, tile, words);
    },
    walkDigests(requests) {
      return requests.map(walkDigest);
    },
  };
}
