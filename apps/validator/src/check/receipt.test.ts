/** A receipt fits its 2,048 bytes whatever it says, and what was never observed is never claimed. */

import fc from 'fast-check';
import { signDocument, verifyDocument } from '@celium/chain';
import { canonicalJson, claimOfReceipt } from '@celium/contract';
import { proofParams, PROOF_FAILURES, type ProofClaim, type ProofFailureCode } from '@celium/proof';
import { beforeAll, expect, test } from 'vitest';
import type { Signed } from '@celium/contract';
import { LocalAgent } from '../testing/local-agent.ts';
import { VALIDATOR } from '../testing/check-bench.ts';
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

test('a check that ended before a proof measures nothing and has no transcript', () => {
  const unit = agent.machine.units[0]!;
  const facts = { ...factsOf(), hostKeyHash: NO_HOST_KEY_HASH };
  const body = composeReceipt(crypto.randomUUID(), unit, proofParams(sizeClassOf(unit), 'onboarding'), facts, {
    kind: 'no-proof',
    code: 'SSH_UNREACHABLE',
    message: 'no shell in the pod: \u001b[2Jrefused',
  });
  expect(body).toMatchObject({
    verdict: 'fail',
    reason: { code: 'SSH_UNREACHABLE', message: 'no shell in the pod: ?[2Jrefused' },
    transcriptHash: '',
    params: 'cgp1/params/1:cpu-demo',
    measured: { class: 'CPU', proofMs: 0, memoryBytes: 0 },
  });
});
