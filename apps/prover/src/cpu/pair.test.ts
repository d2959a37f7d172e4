/** Two CPU devices of one pod as a pair: every answer is the one that an audit recomputes, and what cannot be reached is said cleanly. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEAF_BYTES, pairPlan, proofParams, toHex, wasmPairDigest } from '@celium/proof';
import { afterAll, expect, test } from 'vitest';
import { DeviceRefusal, type DigestSource } from '../device.ts';
import { cpuDigests } from './device.ts';
import { reachCells, shareCells } from './shared-file.ts';

const workerUrl = new URL('../main.ts', import.meta.url);
const params = proofParams('micro', 'onboarding');
const { answers } = pairPlan(params, params)!;
const opened: DigestSource[] = [];
const folder = mkdtempSync(join(tmpdir(), 'celium-pairs-'));

afterAll(async () => {
  await Promise.all(opened.map((source) => source.close()));
  rmSync(folder, { recursive: true, force: true });
});

/** A device whose memory is filled from a seed of this byte. */
async function filled(byte: number): Promise<{ source: DigestSource; seed: Uint8Array }> {
  const source = cpuDigests({ workerUrl, threads: 1 });
  opened.push(source);
  const seed = new Uint8Array(32).fill(byte);
  await source.fill(params, seed);
  return { source, seed };
}

const refusalOf = async (doing: () => unknown): Promise<unknown> => {
  try {
    await doing();
  } catch (error) {
    return error instanceof DeviceRefusal ? error.error : error;
  }
  return 'none';
};

test('the lead of two devices gives the answers that an audit recomputes, and nothing of the memory stays behind', async () => {
  const [lead, peer] = [await filled(1), await filled(2)];
  const token = 'a1'.repeat(16);
  await peer.source.pairs!.share(token);
  await lead.source.pairs!.reach({ token, leaves: params.memoryLeaves, answers });
  const exact = wasmPairDigest({ params, seed: lead.seed }, { params, seed: peer.seed });
  for (const byte of [5, 6]) {
    const q = new Uint8Array(32).fill(byte);
    const digests = await lead.source.pairs!.runStep(q);
    expect(digests.length).toBe(answers * 8);
    for (let i = 0; i < answers; i++) expect(toHex(digests.subarray(i * 8, i * 8 + 8))).toBe(toHex(exact(q, i)));
  }
  // Its own steps go on as before.
  expect((await lead.source.digests('sweep', new Uint8Array(32))).length).toBe(params.memoryLeaves * 8);
  expect(readdirSync('/dev/shm').filter((name) => name.includes(token))).toEqual([]);
});

test('a peer that shares nothing, or not all of its memory, and sizes that no pair has are refused', async () => {
  const { source } = await filled(3);
  const reach = (token: string, leaves: number, count: number) =>
    refusalOf(() => source.pairs!.reach({ token, leaves, answers: count }));
  expect(await reach('00'.repeat(16), params.memoryLeaves, answers)).toBe('no-peer');
  const short = shareCells('b2'.repeat(16), new Uint8Array(LEAF_BYTES));
  expect(await reach('b2'.repeat(16), params.memoryLeaves, answers)).toBe('no-peer');
  short.remove();
  expect(await reach('00'.repeat(16), params.memoryLeaves, 0)).toBe('refused-challenge');
  expect(await reach('00'.repeat(16), params.memoryLeaves, 4)).toBe('refused-challenge');
  expect(await reach('00'.repeat(16), params.memoryLeaves, params.memoryLeaves)).toBe('refused-challenge');
});

test('where shared memory takes no file the next folder does, and where none does it is said', async () => {
  const cells = new Uint8Array(2 * LEAF_BYTES).fill(9);
  const folders = [join(folder, 'absent'), folder];
  const shared = shareCells('c3'.repeat(16), cells, folders);
  const reached = reachCells('c3'.repeat(16), 2, folders);
  const leaf = new Uint8Array(LEAF_BYTES);
  reached.read(1, leaf);
  expect(leaf).toEqual(cells.subarray(LEAF_BYTES));
  expect(() => reached.read(2, leaf)).toThrow('short');
  reached.close();
  shared.remove();
  expect(readdirSync(folder)).toEqual([]);
  expect(await refusalOf(() => shareCells('c3'.repeat(16), cells, [join(folder, 'absent')]))).toBe('no-peer');
  // A file that somebody else put there is not written over, and not taken away.
  writeFileSync(join(folder, `celium-pair-${'d4'.repeat(16)}`), 'x');
  expect(await refusalOf(() => shareCells('d4'.repeat(16), cells, [folder]))).toBe('no-peer');
  expect(readdirSync(folder)).toEqual([`celium-pair-${'d4'.repeat(16)}`]);
});
