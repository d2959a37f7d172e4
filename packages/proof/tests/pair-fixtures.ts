/** What tests of pairs share: two provers that are challenged, paired while both are filled, and judged. */
import { Barrier } from '../src/barrier.ts';
import { type FilledProver, runChallenge } from '../src/challenge.ts';
import type { ProofBinding } from '../src/contracts.ts';
import { auditPair, type PairAudit } from '../src/pair/audit-pair.ts';
import { judgePair, type PairClaim } from '../src/pair/pair-claim.ts';
import { type PairResult, runPair } from '../src/pair/run-pair.ts';
import { proofParams } from '../src/params.ts';
import { BINDING, DECLARED_RATE, seededBytes } from './fixtures.ts';
import { inMemoryProver, type Misconduct } from './in-memory-prover.ts';
import { virtualClock } from './virtual-clock.ts';

/** The bindings of two units of one machine under one barrier. */
export const PAIR_BINDINGS: readonly [ProofBinding, ProofBinding] = [
  { ...BINDING, unit: 'GPU-lead', barrierId: 'barrier-1' },
  { ...BINDING, unit: 'GPU-peer', barrierId: 'barrier-1' },
];

/** One pair at micro sizes, from both greetings to the claim, on a virtual clock. */
export async function pairUp(
  misconduct: { lead?: Misconduct; peer?: Misconduct } = {},
): Promise<{ result: PairResult; audit: PairAudit | null; claim: PairClaim; failures: (string | null)[] }> {
  const clock = virtualClock();
  const filled: FilledProver[] = [];
  const barrier = new Barrier(2);
  let pairing: Promise<PairResult | null> | undefined;
  const results = await Promise.all(
    [misconduct.lead, misconduct.peer].map((one, i) =>
      runChallenge({
        transport: inMemoryProver(clock, one),
        clock,
        randomBytes: seededBytes(1 + i),
        params: proofParams('micro', 'onboarding'),
        binding: PAIR_BINDINGS[i]!,
        declaredRateUnitsPerSecond: DECLARED_RATE,
        async beforeEnd(prover) {
          filled[i] = prover;
          await barrier.arrive();
          const [lead, peer] = [filled[0]!, filled[1]!];
          pairing ??= runPair({ lead, peer, randomBytes: seededBytes(3) });
          await pairing;
        },
      }),
    ),
  );
  const result = await pairing;
  if (result === undefined || result === null) throw new Error('the units were not paired');
  const audit = result.failure === null ? auditPair(result.transcript) : null;
  return {
    result,
    audit,
    claim: judgePair(result, audit),
    failures: results.map((one) => one.failure?.code ?? null),
  };
}
