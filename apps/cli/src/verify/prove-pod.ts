/** One challenge per unit of a pod of one's own, all started together and timed on this machine's clock, then audited here. */

import { randomBytes } from 'node:crypto';
import {
  auditTranscript,
  Barrier,
  judgeChallenge,
  PROVER_IN_POD,
  proverShellCommand,
  runChallenge,
  systemClock,
  type ChallengeResult,
  type ProofBinding,
  type ProofClaim,
  type ProofParams,
} from '@celium/proof';
import type { PodShell } from './pod-shell.ts';

/** One unit, and how it is challenged. */
export interface UnitChallenge {
  params: ProofParams;
  binding: ProofBinding;
  declaredRateUnitsPerSecond: number;
}

/** What came of one unit. */
export interface UnitProof {
  unit: string;
  params: ProofParams;
  claim: ProofClaim;
  result: ChallengeResult;
}

/** Where a verification stands, for whoever waits. */
export type ProveStage = 'logging in' | 'filling memory' | 'answering' | 'auditing';

/**
 * Proves all units at once: one shell and one prover each, no unit starts before every other has filled its memory (or is out). The audit
 * comes after the last stream has ended, so that it never disturbs the clock. Never rejects because of what a pod does.
 */
export async function proveInPod(
  units: readonly UnitChallenge[],
  openShell: () => PodShell,
  tell: (stage: ProveStage) => void,
): Promise<UnitProof[]> {
  const barrier = new Barrier(units.length);
  tell('logging in');
  const results = await Promise.all(
    units.map(async ({ params, binding, declaredRateUnitsPerSecond }) => {
      const shell = openShell();
      let arrived = false;
      try {
        shell.write(proverShellCommand([PROVER_IN_POD]));
        return await runChallenge({
          transport: shell,
          clock: systemClock,
          randomBytes: (count) => new Uint8Array(randomBytes(count)),
          params,
          binding,
          declaredRateUnitsPerSecond,
          beforeStart: () => {
            arrived = true;
            return barrier.arrive().then(() => tell('answering'));
          },
        });
      } finally {
        if (!arrived) barrier.leave();
        shell.close();
      }
    }),
  );
  tell('auditing');
  return results.map((result, index) => {
    const { params, binding, declaredRateUnitsPerSecond } = units[index] as UnitChallenge;
    const audit = result.failure === null ? auditTranscript(result.transcript) : null;
    const claim = judgeChallenge({ result, audit, declaredRateUnitsPerSecond });
    return { unit: binding.unit, params, claim, result };
  });
}
