/** Pairs in a real check: a whole machine is measured in a ring after its barrier, a pair that fails takes nothing from its units, and anyone can repeat the audit. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { canonicalJson, pairClaimOfReceipt, type Receipt, type Signed } from '@celium/contract';
import { GPU_CLASSES, GPU_LINKS, linkFloor } from '@celium/domain';
import { checkPairClaim, PAIR_PACE, type PairClaim, parsePairTranscript, type SizeClass } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { openCheckBench, type CheckBench } from '../testing/check-bench.ts';
import { MARKET } from '../testing/local-agent.ts';
import { checkMachine } from './check-machine.ts';

const UNITS = ['GPU-00000001-aaaa', 'GPU-00000002-bbbb', 'GPU-00000003-cccc'];
const PROVER = fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url));

const benches: CheckBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
});

async function receiptsOf(options: Parameters<typeof openCheckBench>[0]): Promise<[Receipt[], CheckBench]> {
  const bench = openCheckBench(options);
  benches.push(bench);
  const report = await checkMachine(bench.ports, bench.known, bench.known.machine.units, new AbortController().signal);
  if (report.kind !== 'checked') throw new Error(`no receipt: ${report.kind} ${report.code} ${report.message}`);
  return [report.units.map(({ receipt }) => receipt.body), bench];
}

test('three units make a ring of three pairs; each lead’s receipt tells of its pair, and the transcript bears it out', async () => {
  const [receipts, bench] = await receiptsOf({ units: UNITS });
  expect(receipts.map(({ unit, pair }) => [unit, pair?.peer, pair?.verdict, pair?.code])).toEqual([
    [UNITS[0], UNITS[1], 'pass', 'OK'],
    [UNITS[1], UNITS[2], 'pass', 'OK'],
    [UNITS[2], UNITS[0], 'pass', 'OK'],
  ]);
  for (const receipt of receipts) {
    expect(Buffer.byteLength(canonicalJson(receipt))).toBeLessThanOrEqual(2_048);
    const kept = parsePairTranscript(bench.ports.transcripts.read(receipt.pair!.transcriptHash) ?? '');
    if (!kept.ok) throw new Error(kept.failure.detail);
    expect(kept.transcript.lead.binding).toMatchObject({ unit: receipt.unit, barrierId: receipt.barrierId });
    expect(checkPairClaim(pairClaimOfReceipt(receipt) as PairClaim, kept.transcript).ok).toBe(true);
  }
});

test('the provers of the tools folder pair through a file of their pod, and leave none behind', async () => {
  const before = readdirSync('/dev/shm');
  const [receipts] = await receiptsOf({ units: UNITS.slice(0, 2), shells: { program: [PROVER] } });
  expect(receipts.map(({ verdict, pair }) => [verdict, pair?.code])).toEqual([
    ['pass', 'OK'],
    ['pass', undefined],
  ]);
  expect(receipts[0]!.pair!.bytesPerSecond).toBeGreaterThan(0);
  expect(readdirSync('/dev/shm').filter((name) => name.startsWith('celium-pair-') && !before.includes(name))).toEqual(
    [],
  );
});

test('a lead that answers from its own memory alone has no pair, and its unit still passes', async () => {
  const [receipts] = await receiptsOf({ units: UNITS.slice(0, 2), shells: { cheat: 'one-memory' } });
  expect(receipts.map(({ verdict }) => verdict)).toEqual(['pass', 'pass']);
  expect(receipts[0]!.pair).toMatchObject({ verdict: 'fail', code: 'wrong-answers', bytesPerSecond: 0 });
});

test('a part of a machine, and a machine of which one unit fails its own challenge, are not paired', async () => {
  const bench = openCheckBench({ units: UNITS });
  benches.push(bench);
  await bench.agent.leaseTo(MARKET, [UNITS[1]!]);
  const report = await checkMachine(bench.ports, bench.known, UNITS, new AbortController().signal);
  if (report.kind !== 'checked') throw new Error(report.message);
  expect(report.units.map(({ receipt }) => receipt.body.pair)).toEqual([undefined, undefined]);
  const [failed] = await receiptsOf({ units: UNITS.slice(0, 2), shells: { cheat: 'leave' } });
  expect(failed.map(({ verdict, pair }) => [verdict, pair])).toEqual([
    ['fail', undefined],
    ['fail', undefined],
  ]);
});

test('the transcript of a pair is let go with that of its unit', async () => {
  const golden = new URL('../../../../packages/contract/golden/documents/receipt.pair.json', import.meta.url);
  const first = JSON.parse(readFileSync(golden, 'utf8')) as Signed<'receipt'>;
  const bench = openCheckBench();
  benches.push(bench);
  const grant = await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  const { receiptId: _, transcriptHash: __, ...rest } = first.body;
  const body = {
    ...rest,
    receiptId: crypto.randomUUID(),
    transcriptHash: 'ab'.repeat(32),
    endedAtMs: rest.endedAtMs + 1,
  };
  const second = { ...first, body };
  for (const receipt of [first, second]) bench.ports.receipts.add(receipt, grant, [], 0);
  const hashes = [first.body.transcriptHash, first.body.pair!.transcriptHash];
  expect(bench.ports.receipts.releaseTranscripts(second)).toEqual(hashes);
});

test('domain and proof have the same floors for the links of a size class', () => {
  const floors = new Map<string, number>();
  for (const { class: name } of GPU_LINKS) {
    const floor = linkFloor(name);
    if (floor !== null) floors.set(GPU_CLASSES.find((one) => one.name === name)!.sizeClass, floor);
  }
  // An H20 has Ampere's sizes and Hopper's links: it is timed for less than four seconds.
  floors.set('gpu-ampere', linkFloor('A100-80GB')!);
  for (const [sizeClass, floor] of floors) expect(PAIR_PACE[sizeClass as SizeClass], sizeClass).toBe(floor);
  const paced = Object.entries(PAIR_PACE).filter(([, pace]) => typeof pace === 'number');
  expect(new Set(paced.map(([sizeClass]) => sizeClass))).toEqual(new Set(floors.keys()));
});
