/** The verdict on one unit: its answers audited away from the timing thread, its transcript on disk, its receipt signed. */

import { signDocument, type KeySigner } from '@celium/chain';
import type { Signed } from '@celium/contract';
import { claimedGpu } from '@celium/domain';
import { judgeChallenge, judgePair, type PairClaim } from '@celium/proof';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { AuditorPort, RandomBytes } from '../ports.ts';
import type { GrantBook } from '../state/grant-book.ts';
import type { TranscriptFiles } from '../state/transcripts.ts';
import { uuidFrom } from './lease.ts';
import { paramsOfUnit, rateOf, type Proving, type ProvingPorts, type UnitPlan } from './prove-units.ts';
import { composeReceipt, type CheckFacts, type UnitOutcome } from './receipt.ts';

/** What a verdict needs from outside. */
export interface JudgingPorts {
  auditor: AuditorPort;
  transcripts: TranscriptFiles;
  grants: GrantBook;
  hotkey: KeySigner;
  randomBytes: RandomBytes;
  sizeClassOf: ProvingPorts['sizeClassOf'];
}

/** The lease in which a unit was tested. */
export interface TestedLease {
  known: KnownMachine;
  grant: Signed<'grant'>;
  /** Units tested together, and units of the machine that others held. */
  tested: number;
  leased: number;
}

/** One unit's receipt, and what it cost us. */
export interface UnitReport {
  receipt: Signed<'receipt'>;
  auditCpuSeconds: number;
  lagMs: number;
}

/** Judges one unit. Its transcript is on disk when this returns; its receipt is not. */
export async function judgeUnit(
  ports: JudgingPorts,
  { known, grant, tested, leased }: TestedLease,
  plan: UnitPlan,
  proving: Proving,
): Promise<UnitReport> {
  const facts: CheckFacts = {
    validator: ports.hotkey.ss58,
    hotkey: known.hotkey,
    machineId: known.machine.machineId,
    machineKey: known.machine.machineKey,
    grant,
    hostKeyHash: proving.hostKeyHash,
    barrierId: proving.barrierId,
    networkBarrier: proving.networkBarrier,
    blockNumber: proving.block.number,
    blockHash: proving.block.hash,
    tested,
    leased,
    startedAtMs: proving.startedAtMs,
    endedAtMs: proving.endedAtMs,
  };
  const judged = await judgeAnswer(ports, proving, known, plan);
  const params = paramsOfUnit(ports, known, plan.unit, plan.purpose);
  const paired = judged.outcome.kind === 'proof' ? await judgePairOf(ports, proving, plan.unit) : null;
  const body = composeReceipt(uuidFrom(ports.randomBytes), plan.unit, params, facts, judged.outcome, paired?.claim);
  const receipt = await signDocument('receipt', body, ports.hotkey);
  const auditCpuSeconds = judged.auditCpuSeconds + (paired?.auditCpuSeconds ?? 0);
  return { receipt, auditCpuSeconds, lagMs: judged.lagMs };
}

/** What the pair that this unit led has shown; null where it led none. Its transcript is kept. */
async function judgePairOf(
  ports: JudgingPorts,
  proving: Proving,
  unit: string,
): Promise<{ claim: PairClaim; auditCpuSeconds: number } | null> {
  const answer = proving.pairs.get(unit);
  if (answer === undefined) return null;
  const { result } = answer;
  const audited = result.failure === null ? await ports.auditor.auditPair(result.transcript) : null;
  ports.transcripts.keep(result.transcript);
  return { claim: judgePair(result, audited?.outcome ?? null), auditCpuSeconds: audited?.cpuSeconds ?? 0 };
}

async function judgeAnswer(
  ports: JudgingPorts,
  proving: Proving,
  known: KnownMachine,
  plan: UnitPlan,
): Promise<{ outcome: UnitOutcome; auditCpuSeconds: number; lagMs: number }> {
  const { machineKey } = known.machine;
  if (ports.grants.evidence(machineKey, proving.endedAtMs) !== null) {
    const message = `this machine key granted leases that cannot both be: see /v1/double-grants/${machineKey}`;
    return { outcome: { kind: 'no-proof', code: 'DOUBLE_GRANT', message }, auditCpuSeconds: 0, lagMs: 0 };
  }
  const answer = proving.answers.get(plan.unit);
  if (answer === undefined) throw new Error(`unit ${plan.unit} was planned and not proven`);
  if (answer.kind === 'no-proof') return { outcome: answer, auditCpuSeconds: 0, lagMs: 0 };
  const { result, lagMs } = answer;
  const audited = result.failure === null ? await ports.auditor.audit(result.transcript) : null;
  const audit = audited?.outcome ?? null;
  const claim = judgeChallenge({ result, audit, declaredRateUnitsPerSecond: rateOf(known) });
  ports.transcripts.keep(result.transcript);
  const { model } = claimedGpu(known.machine.gpus, plan.unit);
  return {
    outcome: { kind: 'proof', claim, result, claimedModel: model },
    auditCpuSeconds: audited?.cpuSeconds ?? 0,
    lagMs,
  };
}
