/** The validator's side of one challenge over any stream: greeting, probes, fill, timed chain, fresh draw, openings. Every wait is bounded. */
import { toHex } from './bytes.ts';
import { deriveSeed, startChain } from './chain.ts';
import type { ChallengeResult, ObservedTiming, ProofBinding, ProofClock, ProofTransport } from './contracts.ts';
import {
  collectOpenings,
  collectRoots,
  type Conversation,
  ConversationEnd,
  expectFrame,
  OPEN_MS,
  send,
} from './conversation.ts';
import { chainWorkUnits, deadlineMs, fillWorkUnits, judgedRate, MAX_RTT_CREDIT_MS } from './deadline.ts';
import { drawSamples } from './draw.ts';
import { failure } from './failures.ts';
import { type DeviceName, HASH_BYTES, PROTOCOL_VERSION, TOKEN_BYTES } from './frames.ts';
import { isLongLink } from './link.ts';
import { type MailboxBounds, openMailbox } from './mailbox.ts';
import { MAX_PAIR_SAMPLES, MAX_PAIR_STEPS } from './pair/pair-sizes.ts';
import type { PairMember } from './pair/pair-transcript.ts';
import { paramsName, type ProofParams, stepCount } from './params.ts';

/** How long the validator waits where the deadline rule does not say, and how much it reads. */
export const CHALLENGE_LIMITS = {
  /** For the prover's greeting, after the shell was told to start it. */
  helloMs: 60_000,
  /** For one probe's reply. */
  probeMs: 60_000,
  /** After this long no further probe is sent in a series. */
  probeSeriesMs: 2_000,
  probesPerSeries: 20,
  /** On top of twice the fill's work at the declared rate and the round trip. */
  fillSlackMs: 20_000,
  /** For all openings together. */
  openMs: OPEN_MS,
  /** Bytes of prompts, message of the day and echo that are skipped. */
  noiseBytes: 262_144,
  rootLineBytes: 64,
  openingLineBytes: 1_536,
} as const;

/** What a challenge needs; see the README for an example. */
export interface ChallengeOptions {
  transport: ProofTransport;
  clock: ProofClock;
  /** Cryptographic randomness. */
  randomBytes(count: number): Uint8Array;
  params: ProofParams;
  /** Asked instead of `params` where the probes show a link on which a short chain cannot be timed (`isLongLink`). */
  longParams?: ProofParams;
  binding: ProofBinding;
  /** What a CPU machine declares; below the floor it counts as the floor, and for a GPU it does not count (`judgedRate`). */
  declaredRateUnitsPerSecond: number;
  /** Awaited after `filled` and before `start`, so that all units of a machine start together. A rejection aborts the challenge. */
  beforeStart?(): Promise<void>;
  /** Awaited once every opening has arrived and before `end`: until it is over the prover keeps its memory, for the chains of pairs. Must not reject. */
  beforeEnd?(filled: FilledProver): Promise<void>;
  signal?: AbortSignal;
}

/** A prover that has answered, and whose memory is still filled. */
export interface FilledProver extends Conversation {
  /** What its memory was filled from. */
  member: PairMember;
  params: ProofParams;
}

interface Session extends Conversation {
  options: ChallengeOptions;
  /** What is asked: decided by the first probes. */
  params: ProofParams;
  result: ChallengeResult;
}

/** Runs one challenge to its end. What the prover does never makes it reject; it ends up in `failure`. */
export async function runChallenge(options: ChallengeOptions): Promise<ChallengeResult> {
  const { params, clock, transport, signal } = options;
  const nonce = options.randomBytes(HASH_BYTES);
  const result: ChallengeResult = {
    transcript: {
      version: 'cgp1/transcript/1',
      params: paramsName(params),
      binding: options.binding,
      nonce: toHex(nonce),
      startNonce: '',
      auditNonce: '',
      roots: [],
      openings: [],
    },
    timing: emptyTiming(),
    failure: null,
    claimedDevice: null,
  };
  const bounds = proverBounds(options.longParams ?? params, options.beforeEnd !== undefined);
  const mailbox = openMailbox(transport, clock, bounds);
  const session: Session = { options, params, transport, clock, mailbox, result };
  const abort = (): void => mailbox.fail(failure('aborted'));
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  try {
    await converse(session, deriveSeed(nonce, options.binding));
  } catch (error) {
    if (!(error instanceof ConversationEnd)) throw error;
    result.failure = error.reason;
  } finally {
    signal?.removeEventListener('abort', abort);
    result.timing.bytesReceived = mailbox.bytesReceived();
    send(session, { type: 'end' });
  }
  return result;
}

function emptyTiming(): ObservedTiming {
  return { fillMs: null, elapsedMs: null, rootArrivalsMs: [], rttMinMs: null, rttMs: [], bytesReceived: 0 };
}

/** The most that a prover can have to say: hello, filled, two series of pongs, roots, openings, and the noise around them; where it may be in pairs, the chain of one and two words more. */
export function proverBounds(params: ProofParams, mayPair = false): MailboxBounds {
  const { tiles, leaves, walks } = params.audit;
  const { noiseBytes, rootLineBytes, openingLineBytes, probesPerSeries } = CHALLENGE_LIMITS;
  const roots = stepCount(params) + (mayPair ? MAX_PAIR_STEPS + 2 : 0);
  const openings = tiles + leaves + walks + (mayPair ? MAX_PAIR_SAMPLES : 0);
  return {
    bytes: noiseBytes + roots * rootLineBytes + openings * openingLineBytes,
    frames: 2 + 2 * probesPerSeries + roots + openings,
  };
}

async function converse(session: Session, seed: Uint8Array): Promise<void> {
  const { clock, randomBytes, longParams } = session.options;
  session.result.claimedDevice = await greet(session);
  await probe(session);
  if (longParams !== undefined && isLongLink(session.result.timing.rttMs)) {
    session.params = longParams;
    session.result.transcript.params = paramsName(longParams);
  }
  await fill(session, seed);
  try {
    await session.options.beforeStart?.();
  } catch {
    throw new ConversationEnd(failure('aborted', 'the start was called off'));
  }
  const startNonce = randomBytes(HASH_BYTES);
  session.result.transcript.startNonce = toHex(startNonce);
  const startedAtMs = clock.nowMs();
  send(session, { type: 'start', nonce: startNonce });
  const lastValue = await collectChain(session, startChain(seed, startNonce), startedAtMs);
  const auditNonce = randomBytes(HASH_BYTES);
  session.result.transcript.auditNonce = toHex(auditNonce);
  await probe(session);
  const samples = drawSamples(session.params, auditNonce, lastValue);
  session.result.transcript.openings = await collectOpenings(session, samples);
  const { params, binding, nonce } = session.result.transcript;
  await session.options.beforeEnd?.({ ...session, member: { params, binding, nonce } });
}

async function greet(session: Session): Promise<DeviceName> {
  const untilMs = session.options.clock.nowMs() + CHALLENGE_LIMITS.helloMs;
  const { frame } = await expectFrame(session, 'hello', untilMs, failure('not-started'));
  if (frame.version !== PROTOCOL_VERSION) {
    throw new ConversationEnd(failure('wrong-version', `${frame.version} instead of ${PROTOCOL_VERSION}`));
  }
  return frame.device;
}

/** One series of round trips, one after the other; a slow path gets fewer of them. */
async function probe(session: Session): Promise<void> {
  const { clock, randomBytes } = session.options;
  const { timing } = session.result;
  const { probesPerSeries, probeSeriesMs, probeMs } = CHALLENGE_LIMITS;
  const seriesEndMs = clock.nowMs() + probeSeriesMs;
  for (let i = 0; i < probesPerSeries && (i === 0 || clock.nowMs() < seriesEndMs); i++) {
    const token = randomBytes(TOKEN_BYTES);
    const sentAtMs = clock.nowMs();
    send(session, { type: 'ping', token });
    const { frame, atMs } = await expectFrame(session, 'pong', sentAtMs + probeMs, failure('no-probe-reply'));
    if (toHex(frame.token) !== toHex(token))
      throw new ConversationEnd(failure('out-of-order', 'a foreign probe token'));
    timing.rttMs.push(atMs - sentAtMs);
    timing.rttMinMs = Math.min(timing.rttMinMs ?? Number.POSITIVE_INFINITY, atMs - sentAtMs);
  }
}

async function fill(session: Session, seed: Uint8Array): Promise<void> {
  const { params } = session;
  const { clock, declaredRateUnitsPerSecond } = session.options;
  const rttMs = session.result.timing.rttMinMs ?? 0;
  const workMs = deadlineMs(fillWorkUnits(params), judgedRate(params, declaredRateUnitsPerSecond), 0);
  const limitMs = 2 * workMs + rttMs + CHALLENGE_LIMITS.fillSlackMs;
  const sentAtMs = clock.nowMs();
  send(session, { type: 'challenge', seed, sizes: params });
  const slow = failure('not-filled', `not within ${Math.round(limitMs)} ms`);
  const { atMs } = await expectFrame(session, 'filled', sentAtMs + limitMs, slow);
  session.result.timing.fillMs = atMs - sentAtMs;
}

/** Takes the roots in order and returns the chain value after the last. Gives up when not even the largest network credit could save it. */
async function collectChain(session: Session, firstValue: Uint8Array, startedAtMs: number): Promise<Uint8Array> {
  const { params } = session;
  const { transcript, timing } = session.result;
  // A millisecond more, so that whoever is given up is beyond the limit also in whole milliseconds.
  const rate = judgedRate(params, session.options.declaredRateUnitsPerSecond);
  const limitMs = deadlineMs(chainWorkUnits(params), rate, MAX_RTT_CREDIT_MS) + 1;
  const q = await collectRoots(session, {
    steps: stepCount(params),
    firstValue,
    startedAtMs,
    limitMs,
    onRoot(root, afterMs) {
      transcript.roots.push(root);
      timing.rootArrivalsMs.push(afterMs);
    },
    onLate: (afterMs) => void (timing.elapsedMs = afterMs),
  });
  timing.elapsedMs = timing.rootArrivalsMs.at(-1) ?? null;
  return q;
}
