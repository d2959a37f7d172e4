/** What a check concludes of honest machines and of cheats: every refusal has its reason in a signed receipt, and no unit stays leased. */

import { keyFromUri, verifyDocument } from '@celium/chain';
import { canonicalJson, claimOfReceipt, type Receipt } from '@celium/contract';
import { checkClaim, parseTranscript, type ProofClaim } from '@celium/proof';
import { afterEach, describe, expect, test } from 'vitest';
import { systemTime } from '../clock.ts';
import { gentleClock, hastyClock, openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import type { Cheat } from '../testing/cheating-prover.ts';
import { MARKET } from '../testing/local-agent.ts';
import { checkMachine, type CheckReport } from './check-machine.ts';

const OTHER_HOST_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from('0000000b7373682d6564323535313900000020', 'hex'),
  Buffer.alloc(32, 9),
]).toString('base64')}`;

const benches: CheckBench[] = [];
afterEach(() => {
  for (const bench of benches.splice(0)) bench.close();
});

function open(options: Parameters<typeof openCheckBench>[0] = {}): CheckBench {
  const bench = openCheckBench(options);
  benches.push(bench);
  return bench;
}

function check(bench: CheckBench, units = bench.known.machine.units): Promise<CheckReport> {
  return checkMachine(bench.ports, bench.known, units, new AbortController().signal);
}

/** Receipts of a check, after what must hold for every one of them. */
async function receiptsOf(bench: CheckBench): Promise<Receipt[]> {
  const report = await check(bench);
  if (report.kind !== 'checked') throw new Error(`no receipt: ${report.kind} ${report.code} ${report.message}`);
  expect(bench.ports.journal.open()).toEqual([]);
  for (const { receipt } of report.units) {
    const verified = verifyDocument('receipt', receipt);
    expect(verified.ok && verified.ss58).toBe(VALIDATOR.ss58);
    expect(Buffer.byteLength(canonicalJson(receipt.body))).toBeLessThanOrEqual(2_048);
  }
  return report.units.map((unit) => unit.receipt.body);
}

async function receiptOf(bench: CheckBench): Promise<Receipt> {
  const [receipt] = await receiptsOf(bench);
  expect(bench.agent.leasedUnits()).toEqual([]);
  return receipt!;
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
});

test('a machine with a standing pass gets the routine check, one with a failure the full one again', async () => {
  const bench = open();
  expect((await receiptOf(bench)).onboarding).toBe(true);
  expect((await receiptOf(bench)).onboarding).toBe(false);
  bench.ports.shells = open({ shells: { cheat: 'skip' } }).ports.shells;
  expect(await receiptOf(bench)).toMatchObject({ onboarding: false, verdict: 'fail' });
  expect((await receiptOf(bench)).onboarding).toBe(true);
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

  test('silence: not-started', async () => {
    const receipt = await receiptOf(open({ shells: { cheat: 'silent' }, clock: hastyClock }));
    expect(receipt).toMatchObject({ verdict: 'fail', reason: { code: 'not-started' } });
  });

  test('an answer after the deadline: late, with both times in the receipt', async () => {
    // The same prover, which holds its last root back for 1.5 s: once where that is 15 ms, once where nothing slows the clock.
    expect(await receiptOf(open({ shells: { cheat: 'slow' }, clock: gentleClock }))).toMatchObject({ verdict: 'pass' });
    const receipt = await receiptOf(open({ shells: { cheat: 'slow' }, clock: systemTime }));
    expect(receipt).toMatchObject({ verdict: 'fail', reason: { code: 'late' } });
    expect(receipt.measured.deadlineMs).toBeGreaterThan(0);
  });

  test('another host key than the grant’s: nothing is sent, and the receipt names the key that was seen', async () => {
    let shells = 0;
    const bench = open({ shells: { shownHostKey: OTHER_HOST_KEY, onShell: () => (shells += 1) } });
    const receipt = await receiptOf(bench);
    expect(receipt).toMatchObject({ verdict: 'fail', reason: { code: 'HOST_KEY_MISMATCH' }, transcriptHash: '' });
    expect(receipt.hostKeyHash).not.toBe('0'.repeat(64));
    expect(shells).toBe(0);
    expect(claimOfReceipt(receipt)).toBeNull();
  });

  test('a pod that does not start: the agent’s own words', async () => {
    const bench = open();
    bench.agent.podState = 'gone';
    expect(await receiptOf(bench)).toMatchObject({
      verdict: 'fail',
      reason: { code: 'POD_START_FAILED', message: 'the image could not be pulled' },
    });
  });
});

describe('a stall of our own event loop', () => {
  test('voids a run that it may have made late; it is repeated, and then given up without a receipt', async () => {
    let runs = 0;
    const bench = open({
      shells: { cheat: 'slow', onShell: () => (runs += 1) },
      clock: systemTime,
      lagMs: () => 5_000,
    });
    expect(await check(bench)).toMatchObject({ kind: 'void', code: 'VALIDATOR_STALLED' });
    expect(runs).toBe(3);
    expect(bench.agent.leasedUnits()).toEqual([]);
    expect(bench.ports.receipts.counts().receipts).toBe(0);
  });

  test('excuses nobody who was later than it was long', async () => {
    const bench = open({ shells: { cheat: 'slow' }, clock: systemTime, lagMs: () => 20 });
    expect(await receiptOf(bench)).toMatchObject({ reason: { code: 'late' } });
  });

  test('excuses no wrong answer', async () => {
    const bench = open({ shells: { cheat: 'skip' }, lagMs: () => 5_000 });
    expect(await receiptOf(bench)).toMatchObject({ reason: { code: 'skipped-work' } });
  });
});

describe('a busy machine', () => {
  test('that shows its paid lease is noted as busy and gets no receipt', async () => {
    const bench = open();
    await bench.agent.leaseTo(MARKET, bench.known.machine.units);
    expect(await check(bench)).toMatchObject({ kind: 'busy', code: 'UNITS_BUSY' });
    expect(bench.ports.receipts.counts().receipts).toBe(0);
    expect(bench.ports.journal.open()).toEqual([]);
  });

  test('that shows a grant which is not signed by its own key has proven nothing', async () => {
    const bench = open();
    await bench.agent.leaseTo(MARKET, bench.known.machine.units, keyFromUri('//somebody'));
    expect(await check(bench)).toMatchObject({ kind: 'busy', code: 'BUSY_UNPROVEN' });
  });

  test('that leased itself to somebody whom its manifest does not list has proven nothing', async () => {
    const bench = open();
    await bench.agent.leaseTo(keyFromUri('//friend'), bench.known.machine.units);
    expect(await check(bench)).toMatchObject({ kind: 'busy', code: 'BUSY_UNPROVEN' });
  });

  test('with free units is tested on these, and the receipts say so', async () => {
    const units = ['GPU-00000001-aaaa', 'GPU-00000002-bbbb', 'GPU-00000003-cccc'];
    const bench = open({ units });
    await bench.agent.leaseTo(MARKET, [units[1]!]);
    const receipts = await receiptsOf(bench);
    expect(receipts.map((receipt) => receipt.unit)).toEqual([units[0], units[2]]);
    expect(receipts[0]).toMatchObject({ tested: 2, leased: 1, verdict: 'pass' });
    expect(receipts[0]?.barrierId).toBe(receipts[1]?.barrierId);
    expect(bench.agent.leasedUnits()).toEqual([units[1]]);
  });
});

describe('whatever goes wrong, no unit stays leased', () => {
  test('an agent that does not answer is unreachable, and the request is not forgotten', async () => {
    const bench = open({ clock: hastyClock });
    bench.agent.down = true;
    expect(await check(bench)).toMatchObject({ kind: 'unreachable', code: 'AGENT_UNAVAILABLE' });
    expect(bench.ports.journal.open()).toHaveLength(1);
  });

  test('a grant whose answer was lost is found and stopped', async () => {
    const bench = open({ clock: hastyClock });
    bench.agent.loseAnswers = 1;
    expect(await check(bench)).toMatchObject({ kind: 'unreachable' });
    expect(bench.agent.leasedUnits()).toEqual([]);
    expect(bench.ports.journal.open()).toEqual([]);
  });

  test('a stop whose answer was lost is repeated until the agent says that it is over', async () => {
    const bench = open();
    bench.ports.shells = {
      ...bench.ports.shells,
      connect: async () => {
        bench.agent.loseAnswers = 1;
        return { kind: 'unreachable', message: 'no route' };
      },
    };
    expect(await receiptOf(bench)).toMatchObject({ reason: { code: 'SSH_UNREACHABLE' } });
  });

  test('a chain that does not answer ends the check, and the lease with it', async () => {
    const bench = open();
    bench.ports.finalizedBlock = () => Promise.reject(new Error('no chain'));
    await expect(check(bench)).rejects.toThrow('no chain');
    expect(bench.agent.leasedUnits()).toEqual([]);
  });

  test('a validator that is told to stop gives the check up and the unit back', async () => {
    const stop = new AbortController();
    const bench = open({ shells: { cheat: 'silent', onShell: () => setTimeout(() => stop.abort(), 20) } });
    const report = await checkMachine(bench.ports, bench.known, bench.known.machine.units, stop.signal);
    expect(report).toMatchObject({ kind: 'given-up' });
    expect(bench.agent.leasedUnits()).toEqual([]);
  });
});
