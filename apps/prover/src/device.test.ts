/** The CPU device against the reference kernels: every answer of every kind, whatever the number of threads. */
import { type ChallengeSizes, DIGEST_BYTES, proofParams, rootOfPath, toHex, wasmKernels } from '@celium/proof';
import { afterAll, expect, test } from 'vitest';
import { cpuDigests } from './cpu/device.ts';
import { DeviceRefusal, type DigestSource, treeDevice } from './device.ts';

const workerUrl = new URL('./main.ts', import.meta.url);
const seed = new Uint8Array(32).fill(4);
const q = new Uint8Array(32).fill(9);
const opened: DigestSource[] = [];

function openDevice(threads: number): DigestSource {
  const source = cpuDigests({ workerUrl, threads });
  opened.push(source);
  return source;
}

afterAll(() => Promise.all(opened.map((source) => source.close())));

test('every answer equals the one that an audit recomputes, with one thread and with three', async () => {
  for (const threads of [1, 3]) {
    for (const purpose of ['onboarding', 'routine'] as const) {
      const params = proofParams('micro', purpose);
      const kernels = wasmKernels(params, seed);
      const source = openDevice(threads);
      await source.fill(params, seed);
      const hexOf = (digests: Uint8Array, i: number): string =>
        toHex(digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES));
      const leaves = await source.digests('sweep', q);
      for (let i = 0; i < params.memoryLeaves; i++) expect(hexOf(leaves, i)).toBe(toHex(kernels.leafDigest(q, i)));
      const walks = await source.digests('walk', q);
      const exact = kernels.walkDigests(Array.from({ length: params.walkers }, (_, walk) => ({ q, walk })));
      for (const [i, digest] of exact.entries()) expect(hexOf(walks, i)).toBe(toHex(digest));
      for (const kind of ['int8', 'bf16'] as const) {
        const tiles = await source.digests(kind, q);
        for (let i = 0; i < 16; i++) expect(hexOf(tiles, i)).toBe(toHex(kernels.tileDigest(kind, q, i)));
      }
    }
  }
});

test('segments longer than a panel and panels longer than a segment give the same products as the audit', async () => {
  for (const [productDepth, segmentBytes] of [
    [4096, 2048],
    [2048, 256],
  ] as const) {
    const params = { ...proofParams('micro', 'onboarding'), productDepth, segmentBytes };
    const source = openDevice(2);
    await source.fill(params, seed);
    const tiles = await source.digests('int8', q);
    const kernels = wasmKernels(params, seed);
    expect(toHex(tiles.subarray(40, 48))).toBe(toHex(kernels.tileDigest('int8', q, 5)));
  }
});

test('an answer is opened with a path that leads to the root that was sent', async () => {
  const params = proofParams('micro', 'routine');
  const device = treeDevice(openDevice(2));
  await device.fill(params, seed);
  const answers = await device.runStep('sweep', q);
  const { digests, path } = await answers.open(13);
  expect(rootOfPath(digests, 1, params.memoryLeaves / 8, path)).toEqual(answers.root);
  await expect(answers.open(params.memoryLeaves)).rejects.toThrow(RangeError);
});

test('sizes that cannot be met are refused before any memory is taken', async () => {
  const sizes: ChallengeSizes = proofParams('micro', 'routine');
  const refused: [Partial<ChallengeSizes>, string][] = [
    [{ memoryLeaves: 0xffff_fff8 }, 'out-of-memory'],
    [{ memoryLeaves: 0 }, 'refused-challenge'],
    [{ productSize: 100 }, 'refused-challenge'],
    [{ productDepth: 70_000 }, 'refused-challenge'],
    [{ segmentBytes: 96 }, 'refused-challenge'],
    [{ walkers: 3 }, 'refused-challenge'],
  ];
  for (const [change, error] of refused) {
    const failure = await openDevice(1)
      .fill({ ...sizes, ...change }, seed)
      .catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(DeviceRefusal);
    expect((failure as DeviceRefusal).error).toBe(error);
  }
});
