/** The products: a whole one by Freivalds, BF16 exactly as tensor cores add it, and the order of additions, which must not matter. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { seededBytes } from '../tests/fixtures.ts';
import { FREIVALDS_PRIME, type Product, wrongRows } from '../tests/freivalds.ts';
import { readU32, toHex } from './bytes.ts';
import wasmBase64 from './kernels.wasm.ts';
import { type ProofParams, proofParams, SIZE_CLASSES } from './params.ts';
import { keyWords } from './plain-chacha.ts';
import { digestWords, operandRow, tileWordIndex } from './plain-kernels.ts';
import { instantiateKernels, PANEL_BYTES, PANEL_STRIDE, wasmKernels } from './wasm-kernels.ts';

const SEED = new Uint8Array(32).fill(5);
const Q = new Uint8Array(32).fill(6);

function sizesOf(productSize: number, productDepth: number): ProofParams {
  return { ...proofParams('micro', 'onboarding'), productSize, productDepth, segmentBytes: 256 };
}

/** Operands as the protocol makes them, in plain JavaScript; the product by the WASM kernel, tile by tile. */
function multiply(params: ProofParams, kind: 'int8' | 'bf16'): Product {
  const { productSize: size, productDepth: depth } = params;
  const operands = new Int8Array(2 * size * depth);
  for (let i = 0; i < 2 * size; i++) operands.set(operandRow(params, keyWords(SEED), kind, keyWords(Q), i), i * depth);
  const [a, b] = [operands.subarray(0, size * depth), operands.subarray(size * depth)];
  const memory = new WebAssembly.Memory({ initial: 40 });
  const wasm = instantiateKernels(wasmBase64, memory);
  const [sumsAt, aAt, bAt] = [65_536, 131_072, 131_072 + PANEL_BYTES];
  const sums = new Int32Array(memory.buffer, sumsAt, 4096);
  const load = (panel: number, rows: Int8Array, first: number): void => {
    for (let i = 0; i < 64; i++) {
      const row = rows.subarray((first + i) * depth, (first + i + 1) * depth);
      new Int16Array(memory.buffer, panel + i * PANEL_STRIDE, depth).set(row);
    }
  };
  const c = new Int32Array(size * size);
  for (let i = 0; i < size; i += 64) {
    load(aAt, a, i);
    for (let j = 0; j < size; j += 64) {
      load(bAt, b, j);
      sums.fill(0);
      wasm.addPanel(sumsAt, aAt, bAt, PANEL_STRIDE, depth);
      for (let row = 0; row < 64; row++) c.set(sums.subarray(row * 64, row * 64 + 64), (i + row) * size + j);
    }
  }
  return { size, depth, a, b, c };
}

/** A vector that the kernels cannot know. */
function randomVector(size: number): Float64Array {
  const bytes = seededBytes(17)(4 * size);
  return Float64Array.from({ length: size }, (_, i) => readU32(bytes, 4 * i) % FREIVALDS_PRIME);
}

/** The digest of one tile of a product that is at hand. */
function tileDigest({ size, c }: Product, tile: number): string {
  const words = new Int32Array(4096);
  const across = size / 64;
  const [top, left] = [Math.floor(tile / across) * 64, (tile % across) * 64];
  for (let row = 0; row < 64; row++) {
    for (let column = 0; column < 64; column++) {
      words[tileWordIndex(row, column)] = c[(top + row) * size + left + column]!;
    }
  }
  return toHex(digestWords(keyWords(Q), tile, words));
}

test('a whole product of 4,096 rows and columns satisfies Freivalds, its tiles are those of the audit, and no wrong element passes', () => {
  const params = sizesOf(4096, 256);
  const product = multiply(params, 'int8');
  const vector = randomVector(params.productSize);
  expect(wrongRows(product, vector)).toEqual([]);
  const audit = wasmKernels(params, SEED);
  for (const tile of [0, 63, 64, 2_017, 4_095]) {
    expect(tileDigest(product, tile)).toBe(toHex(audit.tileDigest('int8', Q, tile)));
  }
  product.c[17 * 4096 + 200]! += 1;
  product.c[4_095 * 4096 + 4_095]! -= 1;
  expect(wrongRows(product, vector)).toEqual([17, 4_095]);
});

test('so does a whole BF16 product', () => {
  const params = sizesOf(512, 1024);
  const product = multiply(params, 'bf16');
  expect(wrongRows(product, randomVector(params.productSize))).toEqual([]);
  const audit = wasmKernels(params, SEED);
  for (const tile of [0, 63]) expect(tileDigest(product, tile)).toBe(toHex(audit.tileDigest('bf16', Q, tile)));
});

/** A number as BF16 holds it: fp32 without its lower 16 bits. */
function toBf16(x: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, x);
  view.setUint16(2, 0);
  return view.getFloat32(0);
}

/** The exact sum of products, and the same in fp32 as tensor cores may add it: in blocks, in any order, rounded after every addition. */
function bothSums(a: readonly number[], b: readonly number[], order: readonly number[], block: number) {
  let exact = 0;
  let single = 0;
  for (let from = 0; from < order.length; from += block) {
    let partial = 0;
    for (const i of order.slice(from, from + block)) {
      const product = Math.fround(toBf16(a[i]!) * toBf16(b[i]!));
      exact += a[i]! * b[i]!;
      partial = Math.fround(partial + product);
    }
    single = Math.fround(single + partial);
  }
  return { exact, single };
}

test('BF16 holds every operand, and its worst sums are exact in fp32 at the greatest depth of any class', () => {
  for (let value = -8; value <= 7; value++) expect(toBf16(value)).toBe(value);
  const depth = Math.max(...SIZE_CLASSES.map((sizeClass) => proofParams(sizeClass, 'onboarding').productDepth));
  const order = Array.from({ length: depth }, (_, i) => i);
  const fill = (value: number): number[] => Array.from({ length: depth }, () => value);
  // The greatest sum, the least, and the greatest that ends in odd steps, where fp32 would lose one first.
  for (const [a, b] of [
    [fill(-8), fill(-8)],
    [fill(-8), fill(7)],
    [order.map((i) => (i < depth / 2 ? -8 : 7)), order.map((i) => (i < depth / 2 ? -8 : 1))],
    [order.map((i) => (i < depth / 2 ? -8 : -1)), order.map((i) => (i < depth / 2 ? 7 : 1))],
  ] as const) {
    for (const block of [1, 8, 16]) {
      const { exact, single } = bothSums(a, b, order, block);
      expect(single).toBe(exact);
      expect(Math.abs(exact)).toBeLessThanOrEqual(64 * depth);
    }
  }
  expect(64 * depth).toBeLessThan(2 ** 24);
});

test('beyond the bound fp32 would lose: the check above can fail', () => {
  const depth = 2 ** 18 + 3;
  const order = Array.from({ length: depth }, (_, i) => i);
  const a = order.map((i) => (i < 2 ** 18 ? -8 : 1));
  const b = order.map((i) => (i < 2 ** 18 ? -8 : 1));
  const { exact, single } = bothSums(a, b, order, 1);
  expect(single).not.toBe(exact);
});

test('no order and no grouping of the additions changes a BF16 sum', () => {
  const element = fc.integer({ min: -8, max: 7 });
  const pair = fc.tuple(element, element, fc.nat());
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 2_000 }), fc.integer({ min: 1, max: 64 }), (pairs, block) => {
      const [a, b] = [pairs.map(([x]) => x), pairs.map(([, y]) => y)];
      const inOrder = pairs.map((_, i) => i);
      const shuffled = inOrder.toSorted((i, j) => pairs[i]![2] - pairs[j]![2]);
      const { exact, single } = bothSums(a, b, inOrder, 1);
      expect(single).toBe(exact);
      expect(bothSums(a, b, shuffled, block).single).toBe(exact);
      expect(bothSums(a, b, inOrder.toReversed(), block).single).toBe(exact);
    }),
    { numRuns: 100 },
  );
});
