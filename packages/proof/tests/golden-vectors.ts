/** The golden vectors: fixed seeds to cells, operands, digests and roots, at micro and at GPU sizes. Every device has to match them bit for bit. */
import type { KernelFactory } from '../src/audit.ts';
import { toHex } from '../src/bytes.ts';
import { deriveSeed, nextChainValue, startChain } from '../src/chain.ts';
import type { AuditKernels, ProductKind } from '../src/kernels.ts';
import { buildTree } from '../src/merkle.ts';
import { answerCount, DIGEST_BYTES, type ProofParams, proofParams, stepKind, type StepKind } from '../src/params.ts';
import { keyWords } from '../src/plain-chacha.ts';
import { expandSegment, makeCell } from '../src/plain-kernels.ts';
import { BINDING } from './fixtures.ts';

const NONCE = new Uint8Array(32).fill(0xa1);
const START_NONCE = new Uint8Array(32).fill(0xb2);
/** The chain value under which the vectors at GPU sizes are computed. */
const GPU_Q = Uint8Array.from({ length: 32 }, (_, i) => i * 7 + 1);

/** Sizes of the vectors at GPU size: those of no class, so that a change of a class does not change the vectors. */
const LARGE_SIZES = {
  memoryLeaves: 8_178_710,
  fillIterations: 256,
  productSize: 16_384,
  productDepth: 16_384,
  segmentBytes: 16_384,
  walkers: 1_048_576,
  hopsPerWalk: 256,
};

/** All vectors, computed with one kind of kernels. */
export function goldenVectors(makeKernels: KernelFactory) {
  const seed = deriveSeed(NONCE, BINDING);
  const micro = proofParams('micro', 'onboarding');
  return {
    about: 'CGP-1 golden vectors: all bytes are lowercase hex; words are little-endian',
    binding: BINDING,
    nonce: toHex(NONCE),
    seed: toHex(seed),
    startNonce: toHex(START_NONCE),
    cells: [
      { iterations: 4, leaf: 0, cell: 0 },
      { iterations: 4, leaf: 31, cell: 255 },
      { iterations: 256, leaf: 8_178_710, cell: 17 },
      { iterations: 256, leaf: 0x9abc_def0, cell: 3 },
    ].map(({ iterations, leaf, cell }) => ({
      iterations,
      leaf,
      cell,
      bytes: wordsHex(makeCell(keyWords(seed), iterations, { leaf, cell })),
    })),
    operands: (['int8', 'bf16'] as const).map((kind) => operandVector(kind, seed)),
    microChain: microChain(micro, seed, makeKernels(micro, seed)),
    gpu: (['onboarding', 'routine'] as const).map((purpose) => {
      const params = { ...proofParams('gpu', purpose), ...LARGE_SIZES };
      if (purpose === 'onboarding') params.segmentBytes = 1024;
      return gpuVectors(params, makeKernels(params, seed));
    }),
  };
}

function wordsHex(words: Int32Array): string {
  return toHex(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
}

/** The first 128 elements of a segment, keyed by cell 0 of leaf 0. */
function operandVector(kind: ProductKind, seed: Uint8Array) {
  const cell = makeCell(keyWords(seed), 4, { leaf: 0, cell: 0 });
  return { kind, q: toHex(GPU_Q), segment: 5, elements: [...expandSegment(kind, keyWords(GPU_Q), cell, 5, 128)] };
}

function microChain(params: ProofParams, seed: Uint8Array, kernels: AuditKernels) {
  let q = startChain(seed, START_NONCE);
  return Array.from({ length: params.pattern.length * 2 }, (_, step) => {
    const kind = stepKind(params, step);
    const digests = new Uint8Array(answerCount(params, kind) * DIGEST_BYTES);
    for (let i = 0; i < digests.length / DIGEST_BYTES; i++) digests.set(answer(kernels, kind, q, i), i * DIGEST_BYTES);
    const { root } = buildTree(digests);
    const vector = { step, kind, q: toHex(q), digests: toHex(digests), root: toHex(root) };
    q = nextChainValue(q, root);
    return vector;
  });
}

function answer(kernels: AuditKernels, kind: StepKind, q: Uint8Array, index: number): Uint8Array {
  if (kind === 'sweep') return kernels.leafDigest(q, index);
  if (kind === 'walk') return kernels.walkDigests([{ q, walk: index }])[0]!;
  return kernels.tileDigest(kind, q, index);
}

function gpuVectors(params: ProofParams, kernels: AuditKernels) {
  const lastTile = answerCount(params, 'int8') - 1;
  const samples: readonly [StepKind, number][] = [
    ['sweep', 0],
    ['sweep', params.memoryLeaves - 1],
    ['walk', 0],
    ['walk', params.walkers - 1],
    ['int8', 12_345],
    ['bf16', lastTile],
  ];
  return {
    purpose: params.purpose,
    memoryLeaves: params.memoryLeaves,
    q: toHex(GPU_Q),
    answers: samples.map(([kind, index]) => ({ kind, index, digest: toHex(answer(kernels, kind, GPU_Q, index)) })),
  };
}
