/** Composes the receipt of one unit's check: the figures of the proof, the verdict with its reason, at most 2,048 canonical bytes. */

import { documentHash } from '@celium/chain';
import { canonicalJson, DOCUMENTS, type Receipt, type Signed } from '@celium/contract';
import { challengeSizeClass, classifyGpu, GENERIC_GPU_CLASS, isCpuUnit, printableAscii } from '@celium/domain';
import {
  type ChallengeResult,
  type PairClaim,
  paramsByName,
  type ProofClaim,
  type ProofParams,
  ratesOf,
  runOfClaim,
} from '@celium/proof';

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
  /** The run started at the second of a barrier of the network. */
  networkBarrier: boolean;
  blockNumber: number;
  /** Without 0x. */
  blockHash: string;
  tested: number;
  leased: number;
  startedAtMs: number;
  endedAtMs: number;
}

/** A unit that was challenged. */
export interface ProvenUnit {
  kind: 'proof';
  claim: ProofClaim;
  result: ChallengeResult;
  /** What the machine calls the unit's card; it decided the sizes. */
  claimedModel?: string;
}

/** How one unit's check ended. */
export type UnitOutcome =
  | ProvenUnit
  /** It ended before a proof began. */
  | { kind: 'no-proof'; code: string; message: string };

/** Characters of a reason's words, which may quote what an agent said. */
const MAX_MESSAGE = 300;

/** The hash that stands for a host key that was never seen. */
export const NO_HOST_KEY_HASH = '0'.repeat(64);

/** Which size of proof a unit gets: every machine without a GPU the one of class `CPU`, a GPU the one of the card that it is said to be. */
export function sizeClassOf(unit: string, claimedModel: string): string {
  return isCpuUnit(unit) ? 'cpu-demo' : challengeSizeClass(claimedModel);
}

/** The body of a receipt. A message that would make it too large is cut. */
export function composeReceipt(
  receiptId: string,
  unit: string,
  params: ProofParams,
  facts: CheckFacts,
  outcome: UnitOutcome,
  pair: PairClaim | null = null,
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
    ...(facts.grant.body.kind === 'paid' ? { lease: 'paid' as const } : {}),
    barrierId: facts.barrierId,
    ...(facts.networkBarrier ? { networkBarrier: true as const } : {}),
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
    ...(pair === null ? {} : { pair: pairOf(pair) }),
    ...(proof === null ? {} : { proof: { params: proof.claim.params, figures: proof.claim.figures } }),
  };
  return fitted(body);
}

function pairOf({ reason, ...pair }: PairClaim): Receipt['pair'] {
  return { ...pair, code: reason === 'none' ? 'OK' : reason };
}

function measuredOf(unit: string, asked: ProofParams, proof: ProvenUnit | null): Receipt['measured'] {
  // A far link was asked for the long chain.
  const params = (proof === null ? null : paramsByName(proof.claim.params)) ?? asked;
  const figures = proof?.claim.figures;
  const passed = proof?.claim.verdict === 'pass' ? proof : null;
  return {
    class: isCpuUnit(unit) ? 'CPU' : passed === null ? GENERIC_GPU_CLASS : gpuClassOf(passed),
    workPerSecond: passed === null ? 0 : observed(figures?.measuredRateUnitsPerSecond),
    memoryBytes: passed === null ? 0 : observed(figures?.memoryBytes),
    ...ratesOf(params, passed?.result.timing.rootArrivalsMs ?? []),
    proofMs: observed(figures?.elapsedMs),
    deadlineMs: observed(figures?.limitMs),
    rttMs: observed(figures?.rttMinMs),
  };
}

/**
 * The class of a GPU whose content was right and whose chain was not hopelessly late: what its time bears, however it was called. A card that is slower than
 * the one that it was said to be has passed, as what it is.
 */
function gpuClassOf({ claim, claimedModel }: ProvenUnit): string {
  const run = runOfClaim(claim);
  return run === null ? GENERIC_GPU_CLASS : classifyGpu({ claimedModel: claimedModel ?? '', ...run });
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
