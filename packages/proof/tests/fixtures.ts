/** What the tests of this package share: bindings, seeded randomness, and a whole challenge in one call. */
import { auditTranscript, type KernelFactory } from '../src/audit.ts';
import { runChallenge } from '../src/challenge.ts';
import { judgeChallenge } from '../src/claim.ts';
import type { AuditOutcome, ChallengeResult, ProofBinding, ProofClaim } from '../src/contracts.ts';
import { proofParams, type Purpose } from '../src/params.ts';
import { inMemoryProver, type Misconduct } from './in-memory-prover.ts';
import { virtualClock } from './virtual-clock.ts';

/** A binding made of recognisable bytes. */
export const BINDING: ProofBinding = {
  blockHash: '01'.repeat(32),
  hotkey: '02'.repeat(32),
  machineKey: '03'.repeat(32),
  grantHash: '04'.repeat(32),
  hostKeyHash: '05'.repeat(32),
  unit: 'cpu:machine-1',
  barrierId: '',
};

/** Deterministic bytes that stand for cryptographic randomness. */
export function seededBytes(start: number): (count: number) => Uint8Array {
  let state = start >>> 0;
  return (count) =>
    Uint8Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
}

/** The rate that makes the micro chain's deadline about 135 ms on the virtual clock. */
export const DECLARED_RATE = 200;

/** One challenge at micro sizes, from greeting to claim, on a virtual clock. */
export async function challenge(
  misconduct: Misconduct = {},
  options: { purpose?: Purpose; random?: number; kernels?: KernelFactory } = {},
): Promise<{ result: ChallengeResult; audit: AuditOutcome | null; claim: ProofClaim }> {
  const clock = virtualClock();
  const result = await runChallenge({
    transport: inMemoryProver(clock, misconduct),
    clock,
    randomBytes: seededBytes(options.random ?? 1),
    params: proofParams('micro', options.purpose ?? 'onboarding'),
    binding: BINDING,
    declaredRateUnitsPerSecond: DECLARED_RATE,
  });
  const audit = result.failure === null ? auditTranscript(result.transcript, options.kernels) : null;
  const claim = judgeChallenge({ result, audit, declaredRateUnitsPerSecond: DECLARED_RATE });
  return { result, audit, claim };
}
