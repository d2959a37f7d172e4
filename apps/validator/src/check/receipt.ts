/** Composes the receipt of one unit's check: the figures of the proof, the verdict with its reason, at most 2,048 canonical bytes. */

import { documentHash } from '@celium/chain';
import { canonicalJson, DOCUMENTS, type Receipt, type Signed } from '@celium/contract';
import { isCpuUnit, printableAscii } from '@celium/domain';
import { ratesOf, type ChallengeResult, type ProofClaim, type ProofParams, type SizeClass } from '@celium/proof';

/** What all receipts of one check share. */
export interface CheckFacts {
  /** The validator's and the provider's hotkeys. */
  validator: string;
  hotkey: string;
  machineId: string;
  machineKey: string;
  grant: Signed<'grant'>;
  /** SHA-256 of the host key blob seen in our key exchange; 64 zeros when none was seen. */
  hostKeyHash: string;
  barrierId: string;
  blockNumber: number;
  /** Without 0x. */
  blockHash: string;
  tested: number;
  leased: number;
  startedAtMs: number;
  endedAtMs: number;
}

/** How one unit's check ended. */
export type UnitOutcome =
  | { kind: 'proof'; claim: ProofClaim; result: ChallengeResult }
  /** It ended before a proof began. */
  | { kind: 'no-proof'; code: string; message: string };

/** Characters of a reason's words, which may quote what an agent said. */
const MAX_MESSAGE = 300;

/** The hash that stands for a host key that was never seen. */
export const NO_HOST_KEY_HASH = '0'.repeat(64);

/** Which size of proof a unit gets: every machine without a GPU the one of class `CPU`. */
export function sizeClassOf(unit: string): SizeClass {
  return isCpuUnit(unit) ? 'cpu-demo' : 'gpu';
}

/** The body of a receipt. A message that would make it too large is cut. */
export function composeReceipt(
  receiptId: string,
  unit: string,
  params: ProofParams,
  facts: CheckFacts,
  outcome: UnitOutcome,
): Receipt {
  const proof = outcome.kind === 'proof' ? outcome : null;
  const code =
    outcome.kind === 'no-proof' ? outcome.code : outcome.claim.verdict === 'pass' ? 'OK' : outcome.claim.reason;
  const message = printableAscii(outcome.kind === 'no-proof' ? outcome.message : outcome.claim.detail, MAX_MESSAGE);
  const body: Receipt = {
    receiptId,
    validator: facts.validator,
    hotkey: facts.hotkey,
    machineId: facts.machineId,
    machineKey: facts.machineKey,
    unit,
    grantHash: documentHash(facts.grant),
    hostKeyHash: facts.hostKeyHash,
    barrierId: facts.barrierId,
    blockNumber: facts.blockNumber,
    blockHash: facts.blockHash,
    params: `${params.version}:${params.sizeClass}`,
    onboarding: params.purpose === 'onboarding',
    transcriptHash: proof?.claim.transcriptHash ?? '',
    verdict: proof?.claim.verdict ?? 'fail',
    reason: { code, message },
    measured: measuredOf(unit, params, proof),
    tested: facts.tested,
    leased: facts.leased,
    startedAtMs: facts.startedAtMs,
    endedAtMs: facts.endedAtMs,
    ...(proof === null ? {} : { proof: { params: proof.claim.params, figures: proof.claim.figures } }),
  };
  return fitted(body);
}

function measuredOf(
  unit: string,
  params: ProofParams,
  proof: { claim: ProofClaim; result: ChallengeResult } | null,
): Receipt['measured'] {
  const figures = proof?.claim.figures;
  const passed = proof?.claim.verdict === 'pass';
  const rates = ratesOf(params, proof === null || !passed ? [] : proof.result.timing.rootArrivalsMs);
  return {
    class: isCpuUnit(unit) ? 'CPU' : 'GPU',
    workPerSecond: passed ? observed(figures?.measuredRateUnitsPerSecond) : 0,
    memoryBytes: passed ? observed(figures?.memoryBytes) : 0,
    ...rates,
    proofMs: observed(figures?.elapsedMs),
    deadlineMs: observed(figures?.limitMs),
    rttMs: observed(figures?.rttMinMs),
  };
}

/** -1 stands for "never observed" in a proof's figures, 0 in a receipt's. */
function observed(figure: number | undefined): number {
  return figure === undefined ? 0 : Math.max(0, Math.round(figure));
}

/** Cuts the message until the receipt has at most its 2,048 bytes; everything else has a bounded size that fits. */
function fitted(body: Receipt): Receipt {
  const excess = Buffer.byteLength(canonicalJson(body)) - DOCUMENTS.receipt.maxBytes;
  if (excess <= 0) return body;
  const message = body.reason.message.slice(0, Math.max(0, body.reason.message.length - 2 * excess));
  return { ...body, reason: { ...body.reason, message } };
}
