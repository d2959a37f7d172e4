/** The pair of a proof file: made by two real prover processes that reach each other's memory, then changed in every part. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { documentHash } from '@celium/chain';
import { PROOF_FILE_FORM, type ProofFile, type Receipt } from '@celium/contract';
import {
  auditPair,
  Barrier,
  type FilledProver,
  judgePair,
  type PairResult,
  proofParams,
  type ProofTranscript,
  runChallenge,
  runPair,
  systemClock,
} from '@celium/proof';
import { beforeAll, expect, test } from 'vitest';
import { MACHINE_KEY, sampleGrant } from '../testing/samples.ts';
import { pairFindings } from './verify-pair.ts';

const PROVER = fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url));
const UNITS = ['GPU-00000001-aaaa', 'GPU-00000002-bbbb'];
const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));

let receipt: Receipt;
let file: ProofFile;
let transcript: ProofTranscript;

/** A clock on which no busy test machine is late. */
const slowClock = { ...systemClock, nowMs: () => systemClock.nowMs() / 100 };

beforeAll(async () => {
  const grant = await sampleGrant({ units: UNITS });
  const filled: FilledProver[] = [];
  const barrier = new Barrier(2);
  let pairing: Promise<PairResult | null> | undefined;
  const provers: ChildProcess[] = [];
  const results = await Promise.all(
    UNITS.map((unit, i) => {
      const prover = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROVER], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      provers.push(prover);
      return runChallenge({
        transport: {
          write: (text) => void prover.stdin.write(text),
          onData: (listener) => void prover.stdout.on('data', listener),
          onClose: (listener) => void prover.stdout.on('close', listener),
        },
        clock: slowClock,
        randomBytes: bytes,
        params: proofParams('micro', 'routine'),
        binding: {
          blockHash: 'ab'.repeat(32),
          hotkey: 'cd'.repeat(32),
          machineKey: MACHINE_KEY,
          grantHash: documentHash(grant),
          hostKeyHash: createHash('sha256').update('key').digest('hex'),
          unit,
          barrierId: 'barrier',
        },
        declaredRateUnitsPerSecond: 100,
        async beforeEnd(one) {
          filled[i] = one;
          await barrier.arrive();
          pairing ??= runPair({ lead: filled[0]!, peer: filled[1]!, randomBytes: bytes });
          await pairing;
        },
      });
    }),
  );
  for (const prover of provers) prover.kill();
  const result = (await pairing)!;
  if (result.failure !== null) throw new Error(result.failure.detail);
  const { reason, ...claim } = judgePair(result, auditPair(result.transcript));
  const golden = new URL('../../../../packages/contract/golden/documents/receipt.pair.json', import.meta.url);
  const signed = JSON.parse(readFileSync(golden, 'utf8')) as ProofFile['receipt'];
  receipt = {
    ...(signed.body as Receipt),
    unit: UNITS[0]!,
    pair: { ...claim, code: reason === 'none' ? 'OK' : reason },
  };
  transcript = results[0]!.transcript;
  file = { form: PROOF_FILE_FORM, receipt: signed, grant, transcript, pairTranscript: result.transcript };
});

/** Names of the findings that are wrong. */
function wrongIn(changed: { receipt?: Receipt; file?: ProofFile; transcript?: ProofTranscript }): string[] {
  return pairFindings(changed.receipt ?? receipt, changed.file ?? file, changed.transcript ?? transcript)
    .filter(({ ok }) => !ok)
    .map(({ check }) => check);
}

test('a pair that was measured follows from its transcript', () => {
  expect(receipt.pair).toMatchObject({ verdict: 'pass', code: 'OK', peer: UNITS[1] });
  expect(wrongIn({})).toEqual([]);
  expect(pairFindings(receipt, file, transcript).map(({ check }) => check)).toContain('pair-audit');
});

test('a receipt without a pair has nothing to find', () => {
  const { pair: _, ...none } = receipt;
  expect(pairFindings(none as Receipt, file, transcript)).toEqual([]);
});

test('another rate, peer, lease, memory or transcript than was measured is found by name', async () => {
  const pair = receipt.pair!;
  const told = (change: Partial<typeof pair>): string[] =>
    wrongIn({ receipt: { ...receipt, pair: { ...pair, ...change } } });
  expect(told({ bytesPerSecond: pair.bytesPerSecond * 2 })).toEqual(['pair-figures']);
  expect(told({ elapsedMs: Math.ceil(pair.elapsedMs / 2) + 1_000 })).toEqual(['pair-figures']);
  expect(told({ peer: 'GPU-00000003-cccc' })).toEqual(['pair-lease', 'pair-units']);
  expect(told({ verdict: 'fail', code: 'wrong-answers', bytesPerSecond: 0 })).toEqual(['pair-audit']);
  expect(wrongIn({ file: { ...file, grant: await sampleGrant({ units: [UNITS[0]!] }) } })).toEqual(['pair-lease']);
  expect(wrongIn({ file: { ...file, pairTranscript: undefined } })).toEqual(['pair']);
  expect(wrongIn({ transcript: { ...transcript, nonce: '00'.repeat(32) } })).toEqual(['pair-lead']);
  const edited = structuredClone(file.pairTranscript) as { roots: string[] };
  edited.roots[3] = 'ef'.repeat(32);
  expect(wrongIn({ file: { ...file, pairTranscript: edited } })).toEqual(['pair-transcript-hash', 'pair-audit']);
});
