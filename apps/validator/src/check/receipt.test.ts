/** A receipt fits its 2,048 bytes whatever it says, and what was never observed is never claimed. */

import fc from 'fast-check';
import { signDocument, verifyDocument } from '@celium/chain';
import { canonicalJson, claimOfReceipt } from '@celium/contract';
import { chainMsAt, GPU_CLASSES, referenceRates } from '@celium/domain';
import {
  chainAmounts,
  networkCreditMs,
  type PairClaim,
  paramsForClaim,
  paramsName,
  proofParams,
  PROOF_FAILURES,
  type ProofClaim,
  type ProofFailureCode,
  stepCount,
} from '@celium/proof';
import { beforeAll, expect, test } from 'vitest';
import type { Signed } from '@celium/contract';
import { LocalAgent } from '../testing/local-agent.ts';
import { VALIDATOR } from '../testing/check-bench.ts';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import { paramsOfUnit } from './prove-units.ts';
import { composeReceipt, NO_HOST_KEY_HASH, sizeClassOf, type CheckFacts, type UnitOutcome } from './receipt.ts';

const agent = new LocalAgent({ nowMs: () => 1_795_000_000_000, name: `m${'-long'.repeat(12)}xyz` });
let grant: Signed<'grant'>;
beforeAll(async () => {
  grant = await agent.leaseTo(VALIDATOR, agent.machine.units);
});

function factsOf(): CheckFacts {
  return {
    validator: VALIDATOR.ss58,
    hotkey: agent.provider.ss58,
    machineId: agent.machine.machineId,
    machineKey: agent.machine.machineKey,
    grant,
    hostKeyHash: 'ab'.repeat(32),
    barrierId: 'cd'.repeat(16),
    networkBarrier: true,
    blockNumber: 4_294_967_295,
    blockHash: 'ef'.repeat(32),
    tested: 64,
    leased: 64,
    startedAtMs: 1_795_000_000_000,
    endedAtMs: 1_795_000_100_000,
  };
}

const figure = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER });
const claims = fc.record({
  verdict: fc.constantFrom('pass' as const, 'fail' as const),
  code: fc.constantFrom(...(Object.keys(PROOF_FAILURES) as ProofFailureCode[])),
  detail: fc.string({ maxLength: 240, unit: 'binary' }),
  figures: fc.record({
    workUnits: figure,
    elapsedMs: figure,
    limitMs: figure,
    fillMs: figure,
    rttMinMs: figure,
    declaredRateUnitsPerSecond: figure,
    measuredRateUnitsPerSecond: figure,
    memoryBytes: figure,
    bytesReceived: figure,
    tiles: figure,
    leaves: figure,
    walks: figure,
  }),
});

test('any outcome makes a receipt that can be signed, read back, and turned into its claim', async () => {
  await fc.assert(
    fc.asyncProperty(claims, async ({ verdict, code, detail, figures }) => {
      const unit = 'GPU-01234567-89ab-cdef-0123-456789abcdef';
      const params = proofParams('gpu', 'onboarding');
      const { version, sizeClass, purpose, memoryBytes } = params;
      const claim: ProofClaim = {
        params: { version, sizeClass, purpose, memoryBytes },
        transcriptHash: '12'.repeat(32),
        verdict,
        reason: verdict === 'pass' ? 'none' : code,
        detail,
        figures,
      };
      const timing = { fillMs: 1, elapsedMs: 1, rootArrivalsMs: [1, 2], rttMinMs: 1, rttMs: [1], bytesReceived: 1 };
      const outcome = { kind: 'proof', claim, result: { timing } } as unknown as UnitOutcome;
      const body = composeReceipt(crypto.randomUUID(), unit, params, factsOf(), outcome);
      expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(2_048);
      const signed = await signDocument('receipt', body, VALIDATOR);
      const read = verifyDocument('receipt', JSON.parse(JSON.stringify(signed)));
      expect(read.ok).toBe(true);
      if (!read.ok) return;
      expect(claimOfReceipt(read.body)).toMatchObject({ verdict, reason: claim.reason, figures, params: claim.params });
      if (verdict === 'fail') expect(read.body.measured.workPerSecond).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('a pair fits beside the longest figures, and the words give way', () => {
  const most = Number.MAX_SAFE_INTEGER;
  const unit = 'MIG-01234567-89ab-cdef-0123-456789abcdef';
  const params = proofParams('gpu', 'onboarding');
  const figures = Object.fromEntries(
    ['workUnits', 'elapsedMs', 'limitMs', 'fillMs', 'rttMinMs', 'declaredRateUnitsPerSecond', 'bytesReceived'].map(
      (name) => [name, most],
    ),
  );
  const rest = { measuredRateUnitsPerSecond: most, memoryBytes: most, tiles: most, leaves: most, walks: most };
  const claim = {
    params: paramsName(params),
    transcriptHash: '12'.repeat(32),
    verdict: 'fail',
    reason: 'incomplete-transcript',
    detail: 'd'.repeat(240),
    figures: { ...figures, ...rest },
  };
  const timing = { fillMs: 1, elapsedMs: 1, rootArrivalsMs: [], rttMinMs: 1, rttMs: [1], bytesReceived: 1 };
  const outcome = { kind: 'proof', claim, result: { timing } } as unknown as UnitOutcome;
  const pair: PairClaim = {
    peer: unit,
    verdict: 'fail',
    reason: 'incomplete-transcript',
    bytes: most,
    elapsedMs: most,
    bytesPerSecond: most,
    transcriptHash: '34'.repeat(32),
  };
  const body = composeReceipt(crypto.randomUUID(), unit, params, factsOf(), outcome, pair);
  expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(2_048);
  expect(body.pair).toMatchObject({ peer: unit, code: 'incomplete-transcript', bytes: most });
});

test('a check that ended before a proof measures nothing and has no transcript', () => {
  const unit = agent.machine.units[0]!;
  const facts = { ...factsOf(), hostKeyHash: NO_HOST_KEY_HASH };
  const body = composeReceipt(
    crypto.randomUUID(),
    unit,
    paramsForClaim(sizeClassOf(unit, ''), 'onboarding', 0),
    facts,
    {
      kind: 'no-proof',
      code: 'SSH_UNREACHABLE',
      message: 'no shell in the pod: \u001b[2Jrefused',
    },
  );
  expect(body).toMatchObject({
    verdict: 'fail',
    reason: { code: 'SSH_UNREACHABLE', message: 'no shell in the pod: ?[2Jrefused' },
    transcriptHash: '',
    params: 'cgp1/params/1:cpu-demo',
    measured: { class: 'CPU', proofMs: 0, memoryBytes: 0 },
  });
});

/** The receipt of a GPU that did its chain at a share of a class's reference, whatever it was said to be. */
function gpuReceipt(model: string, claimedGib: number, of: string, share: number, verdict: 'pass' | 'fail' = 'pass') {
  const unit = 'GPU-01234567-89ab-cdef-0123-456789abcdef';
  const params = paramsForClaim(sizeClassOf(unit, model), 'onboarding', claimedGib * 1024 ** 3);
  const card = GPU_CLASSES.find(({ name }) => name === of)!;
  const elapsedMs = Math.round(chainMsAt(chainAmounts(params), referenceRates(card)) / share + networkCreditMs(20));
  const roots = stepCount(params);
  const rootArrivalsMs = Array.from({ length: roots }, (_, step) => ((step + 1) * elapsedMs) / roots);
  const timing = { fillMs: 1, elapsedMs, rootArrivalsMs, rttMinMs: 20, rttMs: [20], bytesReceived: 1 };
  const claim = {
    params: paramsName(params),
    transcriptHash: '12'.repeat(32),
    verdict,
    reason: verdict === 'pass' ? 'none' : 'late',
    detail: '',
    figures: { elapsedMs, rttMinMs: 20, memoryBytes: params.memoryBytes, measuredRateUnitsPerSecond: 1 },
  };
  const outcome = { kind: 'proof', claim, result: { timing }, claimedModel: model } as unknown as UnitOutcome;
  return composeReceipt(crypto.randomUUID(), unit, params, factsOf(), outcome);
}

test('the class in a receipt is what the time bears, not what the machine says', () => {
  const h100 = 'NVIDIA H100 80GB HBM3';
  expect(gpuReceipt(h100, 79, 'H100', 1)).toMatchObject({
    params: 'cgp1/params/1:gpu-hopper',
    measured: { class: 'H100' },
  });
  expect(gpuReceipt(h100, 79, 'H100', 0.93).measured.class).toBe('H100');
  expect(gpuReceipt(h100, 79, 'H100', 0.9).measured.class).toBe('H100-PCIE');
  expect(gpuReceipt(h100, 79, 'A100-80GB', 1).measured.class).toBe('NVIDIA');
  expect(gpuReceipt('NVIDIA H200', 79, 'H200', 1).measured.class).toBe('H100');
  expect(gpuReceipt('', 79, 'H100', 1).measured.class).toBe('NVIDIA');
  expect(gpuReceipt('NVIDIA A100-SXM4-80GB MIG 3g.40gb', 39, 'A100-3G.40GB', 1).measured.class).toBe('A100-3G.40GB');
});

test('a GPU that failed has the class NVIDIA and no figures', () => {
  expect(gpuReceipt('NVIDIA H100 80GB HBM3', 79, 'H100', 1, 'fail').measured).toMatchObject({
    class: 'NVIDIA',
    memoryBytes: 0,
    sweepBytesPerSecond: 0,
    bf16OpsPerSecond: 0,
  });
});

test('what a machine says of its GPU can make no size that a challenge does not have', () => {
  const unit = 'GPU-01234567-89ab-cdef-0123-456789abcdef';
  for (const memoryBytes of [1, 2 ** 30, 24 * 2 ** 30, Number.MAX_SAFE_INTEGER]) {
    const known = { machine: { gpus: [{ unit, model: 'NVIDIA L4', memoryBytes }] } } as unknown as KnownMachine;
    expect(paramsOfUnit({ sizeClassOf }, known, unit, 'routine').sizeClass).toBe('gpu-ada');
  }
  const silent = { machine: {} } as unknown as KnownMachine;
  expect(paramsOfUnit({ sizeClassOf }, silent, unit, 'routine').sizeClass).toBe('gpu');
  expect(paramsOfUnit({ sizeClassOf }, silent, 'cpu:m', 'routine').sizeClass).toBe('cpu-demo');
});
