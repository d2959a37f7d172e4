/** The kernels against each other, against plain arithmetic, and against the source that they are compiled from. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileModule, ROUNDS_PATH, WASM_MODULES } from '../build.ts';
import { generateRounds } from '../generate-rounds.ts';
import { seededBytes } from '../tests/fixtures.ts';
import { toHex } from './bytes.ts';
import { type ProofParams, proofParams } from './params.ts';
import { keyWords } from './plain-chacha.ts';
import { digestWords, expandSegment, makeCell, plainKernels } from './plain-kernels.ts';
import { wasmKernels } from './wasm-kernels.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Parameters of every shape that the class records use, at sizes that plain JavaScript can follow. */
const params = fc
  .record({
    memoryLeaves: fc.constantFrom(1, 32, 1000, 8_178_710, 0xffff_ffff),
    fillIterations: fc.integer({ min: 1, max: 9 }),
    productSize: fc.constantFrom(256, 512, 16384),
    shape: fc.constantFrom<[number, number]>([256, 256], [1024, 1024], [2048, 1024], [2048, 2048], [4096, 2048]),
    hopsPerWalk: fc.integer({ min: 1, max: 20 }),
  })
  .map(({ shape: [productDepth, segmentBytes], ...rest }): ProofParams => {
    return { ...proofParams('micro', 'onboarding'), productDepth, segmentBytes, ...rest };
  });

test('WASM and plain JavaScript give the same digests for random seeds, sizes and places', () => {
  fc.assert(
    fc.property(params, bytes32, bytes32, fc.nat(0xffff_fffe), fc.nat(1023), (sizes, seed, q, place, walk) => {
      const wasm = wasmKernels(sizes, seed);
      const plain = plainKernels(sizes, seed);
      const leaf = place % sizes.memoryLeaves;
      expect(toHex(wasm.leafDigest(q, leaf))).toBe(toHex(plain.leafDigest(q, leaf)));
      const tile = place % (sizes.productSize / 64) ** 2;
      for (const kind of ['int8', 'bf16'] as const) {
        expect(toHex(wasm.tileDigest(kind, q, tile))).toBe(toHex(plain.tileDigest(kind, q, tile)));
      }
      const walks = [0, 1, 2, 3, 4].map((lane) => ({ q: lane % 2 === 0 ? q : seed, walk: walk + lane }));
      expect(wasm.walkDigests(walks).map(toHex)).toEqual(plain.walkDigests(walks).map(toHex));
    }),
    { numRuns: 40 },
  );
});

test('a digest changes with every word, the key and the place', () => {
  const sizes = proofParams('micro', 'onboarding');
  const kernels = wasmKernels(sizes, new Uint8Array(32));
  const q = new Uint8Array(32).fill(9);
  const seen = new Set<string>();
  for (let leaf = 0; leaf < sizes.memoryLeaves; leaf++) seen.add(toHex(kernels.leafDigest(q, leaf)));
  for (let bit = 0; bit < 256; bit++) {
    const other = q.slice();
    other[bit >> 3]! ^= 1 << (bit & 7);
    seen.add(toHex(kernels.leafDigest(other, 0)));
  }
  expect(seen.size).toBe(sizes.memoryLeaves + 256);
});

test('no change of one word is cancelled by a change of the next word of its lane', () => {
  const words = new Int32Array(4096);
  const random = seededBytes(11);
  for (let i = 0; i < words.length; i++) words[i] = new DataView(random(4).buffer).getInt32(0);
  for (let key = 0; key < 4; key++) {
    const q = keyWords(random(32));
    const honest = toHex(digestWords(q, 0, words));
    for (let first = 0; first < 32; first++) {
      for (let second = 0; second < 32; second++) {
        const changed = words.slice();
        changed[5]! ^= 1 << first;
        changed[5 + 128]! ^= 1 << second;
        expect(toHex(digestWords(q, 0, changed))).not.toBe(honest);
      }
    }
  }
});

test('bf16 operands are whole numbers from -8 to 7, each about equally often, so that fp32 sums are exact', () => {
  const counts = new Map<number, number>();
  const q = keyWords(new Uint8Array(32).fill(3));
  for (let segment = 0; segment < 64; segment++) {
    const cell = makeCell(q, 2, { leaf: segment, cell: 0 });
    for (const element of expandSegment('bf16', q, cell, segment, 1024)) {
      counts.set(element, (counts.get(element) ?? 0) + 1);
    }
  }
  expect([...counts.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i - 8));
  for (const count of counts.values()) expect(Math.abs(count - 4096)).toBeLessThan(6 * Math.sqrt(4096));
});

test('the checked-in WASM and its generated source are what the sources compile to', { timeout: 60_000 }, async () => {
  const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
  expect(read(ROUNDS_PATH)).toBe(generateRounds());
  for (const module of WASM_MODULES) expect(read(module.path)).toBe(await compileModule(module));
});
