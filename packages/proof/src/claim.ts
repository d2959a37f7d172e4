/** From an observed challenge to the claim that a validator signs, and back: the offline check of a claim against its transcript. */
import { auditTranscript, type KernelFactory } from './audit.ts';
import type { AuditOutcome, ChallengeResult, ProofClaim, ProofFigures, ProofTranscript } from './contracts.ts';
import { chainWorkUnits, judgedRate, judgeDeadline } from './deadline.ts';
import { failure, type ProofFailure } from './failures.ts';
import { paramsByName, type ProofParams } from './params.ts';
import { hashTranscript } from './transcript.ts';

/** What a verdict is made of. `audit` may be null only when the challenge itself failed. */
export interface Judged {
  result: ChallengeResult;
  audit: AuditOutcome | null;
  declaredRateUnitsPerSecond: number;
}

/** Stands for a figure that was never observed. */
const UNSEEN = -1;

/** Failures that the audit finds in a transcript, so that an offline audit must find them again. */
const CONTENT_FAILURES: readonly string[] = ['bad-path', 'wrong-seed', 'skipped-work', 'memory-short'];

/** The verdict: a failed challenge first, then wrong content, then lateness. Throws a TypeError for an audit that is missing. */
export function judgeChallenge({ result, audit, declaredRateUnitsPerSecond }: Judged): ProofClaim {
  const { transcript } = result;
  const params = paramsByName(transcript.params);
  if (params === null) throw new TypeError('the transcript names no known parameters');
  if (result.failure === null && audit === null) throw new TypeError('a complete challenge has to be audited');
  const figures = measure(params, result, audit, declaredRateUnitsPerSecond);
  const reason = result.failure ?? audit?.failure ?? lateness(figures);
  return {
    params: transcript.params,
    transcriptHash: hashTranscript(transcript),
    verdict: reason === null ? 'pass' : 'fail',
    reason: reason === null ? 'none' : reason.code,
    detail: (reason?.detail ?? 'every sampled answer is exact and the chain was done in time').slice(0, 240),
    figures,
  };
}

function measure(
  params: ProofParams,
  { timing }: ChallengeResult,
  audit: AuditOutcome | null,
  declaredRateUnitsPerSecond: number,
): ProofFigures {
  const workUnits = chainWorkUnits(params);
  const elapsedMs = timing.elapsedMs === null ? UNSEEN : Math.ceil(timing.elapsedMs);
  const rttMinMs = timing.rttMinMs === null ? UNSEEN : Math.ceil(timing.rttMinMs);
  const rate = judgedRate(params, declaredRateUnitsPerSecond);
  const { tiles, leaves, walks } = audit?.checked ?? { tiles: 0, leaves: 0, walks: 0 };
  return {
    workUnits,
    elapsedMs,
    limitMs: limitOf(workUnits, rate, rttMinMs),
    fillMs: timing.fillMs === null ? UNSEEN : Math.round(timing.fillMs),
    rttMinMs,
    declaredRateUnitsPerSecond: rate,
    measuredRateUnitsPerSecond: measuredRate(workUnits, elapsedMs),
    memoryBytes: params.memoryBytes,
    bytesReceived: timing.bytesReceived,
    tiles,
    leaves,
    walks,
  };
}

function limitOf(workUnits: number, rateUnitsPerSecond: number, rttMinMs: number): number {
  return Math.floor(judgeDeadline({ elapsedMs: 0, workUnits, rateUnitsPerSecond, rttMinMs }).limitMs);
}

function measuredRate(workUnits: number, elapsedMs: number): number {
  return elapsedMs === UNSEEN ? UNSEEN : Math.floor((workUnits * 1000) / Math.max(1, elapsedMs));
}

function lateness({ elapsedMs, limitMs }: ProofFigures): ProofFailure | null {
  if (elapsedMs !== UNSEEN && elapsedMs <= limitMs) return null;
  return failure('late', `the last root came after ${elapsedMs} ms, the limit is ${limitMs} ms`);
}

/** One line of an offline check. */
export interface ClaimFinding {
  check: 'form' | 'transcript-hash' | 'parameters' | 'figures' | 'audit' | 'deadline';
  ok: boolean;
  detail: string;
}

/** The result of an offline check. */
export interface ClaimCheck {
  /** Whether the claim follows from its transcript; a well-founded `fail` is ok too. */
  ok: boolean;
  findings: ClaimFinding[];
  audit: AuditOutcome;
}

/**
 * Checks a claim against its transcript: hash, parameters, arithmetic of the figures, a full new audit, and that verdict and reason follow. It proves
 * content; the times in the figures stay the validator's word. Never throws for what the two hold.
 */
export function checkClaim(claim: ProofClaim, transcript: ProofTranscript, makeKernels?: KernelFactory): ClaimCheck {
  const audit = auditTranscript(transcript, makeKernels);
  if (!hasFormOfClaim(claim))
    return { ok: false, findings: [{ check: 'form', ok: false, detail: 'this is no claim' }], audit };
  const params = audit.failure?.code === 'malformed' ? null : paramsByName(transcript.params);
  const findings: ClaimFinding[] = [];
  const note = (check: ClaimFinding['check'], ok: boolean, detail: string): void => {
    findings.push({ check, ok, detail });
  };
  const hash = params === null ? '' : hashTranscript(transcript);
  note('transcript-hash', hash === claim.transcriptHash, `the transcript hashes to ${hash || 'nothing'}`);
  const names = ['version', 'sizeClass', 'purpose', 'memoryBytes'] as const;
  const sameParams = params !== null && names.every((name) => claim.params[name] === params[name]);
  note('parameters', sameParams, params === null ? 'unknown parameters' : `${params.sizeClass}, ${params.purpose}`);
  note(
    'figures',
    params !== null && figuresFollow(claim, params, audit),
    'work, memory, limit, rate and sample counts',
  );
  note('audit', auditFollows(claim, audit), audit.failure?.detail ?? 'every sampled answer is exact');
  const inTime = lateness(claim.figures) === null;
  const deadlineOk = claim.verdict === 'pass' ? inTime : claim.reason !== 'late' || !inTime;
  note(
    'deadline',
    deadlineOk,
    `${claim.figures.elapsedMs} ms of ${claim.figures.limitMs} ms, by the validator's clock`,
  );
  return { ok: findings.every((finding) => finding.ok), findings, audit };
}

/** Whether a value has the parts of a claim with whole numbers as figures; what they say is checked by the rest. */
function hasFormOfClaim(value: unknown): boolean {
  const { params, figures, reason } = (value ?? {}) as Partial<Record<keyof ProofClaim, unknown>>;
  if (typeof params !== 'object' || params === null || typeof figures !== 'object' || figures === null) return false;
  return typeof reason === 'string' && Object.values(figures).every((figure) => Number.isSafeInteger(figure));
}

function figuresFollow({ figures, verdict }: ProofClaim, params: ProofParams, audit: AuditOutcome): boolean {
  const { workUnits, elapsedMs, limitMs, rttMinMs, declaredRateUnitsPerSecond, memoryBytes } = figures;
  const { tiles, leaves, walks } = audit.checked;
  const counted = figures.tiles === tiles && figures.leaves === leaves && figures.walks === walks;
  return (
    workUnits === chainWorkUnits(params) &&
    memoryBytes === params.memoryBytes &&
    declaredRateUnitsPerSecond === judgedRate(params, declaredRateUnitsPerSecond) &&
    limitMs === limitOf(workUnits, declaredRateUnitsPerSecond, rttMinMs) &&
    figures.measuredRateUnitsPerSecond === measuredRate(workUnits, elapsedMs) &&
    (verdict === 'fail' || counted)
  );
}

/** A pass needs a clean audit; a content failure needs the same failure again; other failures are the validator's word. */
function auditFollows(claim: ProofClaim, audit: AuditOutcome): boolean {
  if (claim.verdict === 'pass') return claim.reason === 'none' && audit.ok;
  if (CONTENT_FAILURES.includes(claim.reason)) return audit.failure?.code === claim.reason;
  if (claim.reason === 'late') return audit.ok || audit.failure?.code === 'incomplete-transcript';
  return claim.reason !== 'none' && !audit.ok;
}
