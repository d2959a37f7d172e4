/** From a pair that was run to what a validator signs of it, and back: the offline check of that against the transcript. */
import { failure, type ProofFailureCode } from '../failures.ts';
import { paramsByName } from '../params.ts';
import { hashTranscript } from '../transcript.ts';
import { auditPair, type PairAudit, type PairDigestFactory } from './audit-pair.ts';
import { type PairPlan, pairPlan } from './pair-sizes.ts';
import type { PairTranscript } from './pair-transcript.ts';
import type { PairResult } from './run-pair.ts';

/** What a receipt carries of a pair. Figures are whole numbers, 0 for what was not seen. */
export interface PairClaim {
  /** The unit whose memory was reached. */
  peer: string;
  verdict: 'pass' | 'fail';
  reason: 'none' | ProofFailureCode;
  /** 16 KiB for each answer of the whole chain. */
  bytes: number;
  /** From the start to the last root by the validator's clock; no time is taken off for the network. */
  elapsedMs: number;
  /** Bytes over time of a pair that passed: at least 0.95 of them crossed between the units, or were read in a third memory that holds both. */
  bytesPerSecond: number;
  transcriptHash: string;
}

function planOf({ lead, peer }: PairTranscript): PairPlan | null {
  const [leadParams, peerParams] = [paramsByName(lead.params), paramsByName(peer.params)];
  return leadParams === null || peerParams === null ? null : pairPlan(leadParams, peerParams);
}

/** The verdict on a pair: a failed chain first, then wrong content. Throws a TypeError for an audit that is missing. */
export function judgePair({ transcript, elapsedMs, failure: failed }: PairResult, audit: PairAudit | null): PairClaim {
  if (failed === null && audit === null) throw new TypeError('a complete chain has to be audited');
  const reason = failed ?? audit?.failure ?? (elapsedMs === null ? failure('incomplete-transcript') : null);
  const ms = elapsedMs === null ? 0 : Math.max(1, Math.ceil(elapsedMs));
  const bytes = planOf(transcript)?.bytes ?? 0;
  return {
    peer: transcript.peer.binding.unit,
    verdict: reason === null ? 'pass' : 'fail',
    reason: reason === null ? 'none' : reason.code,
    bytes,
    elapsedMs: ms,
    bytesPerSecond: reason === null ? rateOf(bytes, ms) : 0,
    transcriptHash: hashTranscript(transcript),
  };
}

function rateOf(bytes: number, elapsedMs: number): number {
  return Math.floor((bytes / elapsedMs) * 1000);
}

/** Failures that the audit finds in a transcript, so that an offline audit must find them again. */
const CONTENT_FAILURES: readonly string[] = ['bad-path', 'wrong-answers', 'wrong-pair'];

/**
 * Checks what a receipt says of a pair against the pair's transcript: hash, units, arithmetic, a full new audit, and that the verdict follows. It proves
 * content; the time stays the validator's word. Never throws for what the two hold.
 */
export function checkPairClaim(
  claim: PairClaim,
  transcript: PairTranscript,
  makeDigest?: PairDigestFactory,
): { ok: boolean; findings: { check: string; ok: boolean; detail: string }[]; audit: PairAudit } {
  const audit = auditPair(transcript, makeDigest);
  const readable = audit.failure?.code !== 'malformed';
  const hash = readable ? hashTranscript(transcript) : 'nothing';
  const bytes = readable ? (planOf(transcript)?.bytes ?? 0) : 0;
  const passed = claim.verdict === 'pass';
  const rate = passed && claim.elapsedMs > 0 ? rateOf(bytes, claim.elapsedMs) : 0;
  const findings = [
    {
      check: 'pair-transcript-hash',
      ok: hash === claim.transcriptHash,
      detail: `the pair's transcript hashes to ${hash}`,
    },
    {
      check: 'pair-units',
      ok: readable && transcript.peer.binding.unit === claim.peer,
      detail: 'the unit that was reached',
    },
    {
      check: 'pair-figures',
      ok: claim.bytes === bytes && claim.bytesPerSecond === rate,
      detail: `${rate} bytes per second over ${claim.elapsedMs} ms, by the validator's clock`,
    },
    {
      check: 'pair-audit',
      ok: auditFollows(claim, audit),
      detail: audit.failure?.detail ?? 'every sampled answer is exact',
    },
  ];
  return { ok: findings.every(({ ok }) => ok), findings, audit };
}

/** A pass needs a clean audit; a content failure needs the same failure again; other failures are the validator's word. */
function auditFollows({ verdict, reason }: PairClaim, audit: PairAudit): boolean {
  if (verdict === 'pass') return reason === 'none' && audit.ok;
  if (CONTENT_FAILURES.includes(reason)) return audit.failure?.code === reason;
  return reason !== 'none' && !audit.ok;
}
