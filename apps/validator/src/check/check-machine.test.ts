/** What a check concludes of honest machines and of cheats: every refusal has its reason in a signed receipt, and no unit stays leased. */

import { verifyDocument } from '@celium/chain';
import { canonicalJson, claimOfReceipt, type Receipt } from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim } from '@celium/proof';
import { afterEach, describe, expect, test } from 'vitest';
import type { Cheat } from '../testing/cheating-prover.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { checkMachine } from './check-machine.ts';

const benches: CheckBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
});

function open(options: Parameters<typeof openCheckBench>[0] = {}): CheckBench {
  const bench = openCheckBench(options);
  benches.push(bench);
  return bench;
}

async function check(bench: CheckBench, units = bench.known.machine.units) {
  return checkMachine(bench.ports, bench.known, units, new AbortController().signal);
}

async function receiptOf(bench: CheckBench): Promise<Receipt> {
  const report = await check(bench);
  if (report.kind !== 'checked') throw new Error(`no receipt: ${report.kind} ${report.code} ${report.message}`);
  const [unit] = report.units;
  const verified = verifyDocument('receipt', unit?.receipt);
  expect(verified.ok && verified.ss58).toBe(VALIDATOR.ss58);
  expect(Buffer.byteLength(canonicalJson(unit?.receipt.body))).toBeLessThanOrEqual(2_048);
  expect(bench.agent.leasedUnits()).toEqual([]);
  expect(bench.ports.journal.open()).toEqual([]);
  return unit!.receipt.body;
}

test('an honest machine passes, and anyone can repeat the audit from receipt and transcript', async () => {
  const bench = open();
  const receipt = await receiptOf(bench);
  expect(receipt).toMatchObject({ verdict: 'pass', reason: { code: 'OK' }, onboarding: true, tested: 1, leased: 0 });
  expect(receipt.measured.class).toBe('CPU');
  expect(receipt.measured.workPerSecond).toBeGreaterThan(0);
  expect(receipt.measured.int8OpsPerSecond).toBeGreaterThan(0);
  const kept = parseTranscript(bench.ports.transcripts.read(receipt.transcriptHash) ?? '');
  expect(kept.ok).toBe(true);
  if (kept.ok) expect(checkClaim(claimOfReceipt(receipt) as unknown as ProofClaim, kept.transcript).ok).toBe(true);
  expect(bench.ports.receipts.logPosition().height).toBe(1);
  const again = await receiptOf(bench);
  expect(again.onboarding).toBe(false);
});

describe('a cheat is refused with its reason', () => {
  const expected: Array<[Cheat, string]> = [
    ['skip', 'skipped-work'],
    ['seed', 'wrong-seed'],
    ['garbage', 'malformed'],
    ['endless', 'flood'],
    ['leave', 'closed'],
  ];
  test.each(expected)('%s: %s', async (cheat, code) => {
    const receipt = await receiptOf(open({ shells: { cheat } }));
    expect(receipt).toMatchObject({ verdict: 'fail', reason: { code } });
    expect(receipt.measured.workPerSecond).toBe(0);
  });
});
