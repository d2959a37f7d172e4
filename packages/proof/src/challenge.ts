/** The validator's side of one challenge over any stream: greeting, probes, fill, timed chain, fresh draw, openings. Every wait is bounded. */
import { toHex } from './bytes.ts';
import { nextChainValue, deriveSeed, startChain } from './chain.ts';
import type {
  ChallengeResult,
  ObservedTiming,
  Opening,
  ProofBinding,
  ProofClock,
  ProofTransport,
} from './contracts.ts';
import { chainWorkUnits, deadlineMs, fillWorkUnits, judgedRate, MAX_RTT_CREDIT_MS } from './deadline.ts';
import { drawSamples, type Sample } from './draw.ts';
import { failure, type ProofFailure, type ProofFailureCode } from './failures.ts';
import {
  type DeviceName,
  encodeValidatorFrame,
  HASH_BYTES,
  MAX_SAMPLES_PER_FRAME,
  PROTOCOL_VERSION,
  type ProverFrame,
  TOKEN_BYTES,
  type ValidatorFrame,
} from './frames.ts';
import { encodeLine } from './lines.ts';
import { isLongLink } from './link.ts';
import { type ArrivedFrame, type Delivery, type Mailbox, type MailboxBounds, openMailbox } from './mailbox.ts';
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
  openMs: 60_000,
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
  signal?: AbortSignal;
}

/** Ends the challenge from inside; caught in `runChallenge` only. */
class ChallengeEnd extends Error {
  readonly reason: ProofFailure;
  constructor(reason: ProofFailure) {
    super(reason.code);
    this.reason = reason;
  }
}

interface Session {
  options: ChallengeOptions;
  /** What is asked: decided by the first probes. */
  params: ProofParams;
  mailbox: Mailbox;
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
  const bounds = proverBounds(options.longParams ?? params);
  const session: Session = { options, params, mailbox: openMailbox(transport, clock, bounds), result };
  const abort = (): void => session.mailbox.fail(failure('aborted'));
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  try {
    await converse(session, deriveSeed(nonce, options.binding));
  } catch (error) {
    if (!(error instanceof ChallengeEnd)) throw error;
    result.failure = error.reason;
  } finally {
    signal?.removeEventListener('abort', abort);
    result.timing.bytesReceived = session.mailbox.bytesReceived();
    send(session, { type: 'end' });
  }
  return result;
}

function emptyTiming(): ObservedTiming {
  return { fillMs: null, elapsedMs: null, rootArrivalsMs: [], rttMinMs: null, rttMs: [], bytesReceived: 0 };
}

/** The most that a prover can have to say: hello, filled, two series of pongs, roots, openings, and the noise around them. */
export function proverBounds(params: ProofParams): MailboxBounds {
  const { tiles, leaves, walks } = params.audit;
  const { noiseBytes, rootLineBytes, openingLineBytes, probesPerSeries } = CHALLENGE_LIMITS;
  const [roots, openings] = [stepCount(params), tiles + leaves + walks];
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
    throw new ChallengeEnd(failure('aborted', 'the start was called off'));
  }
  const startNonce = randomBytes(HASH_BYTES);
  session.result.transcript.startNonce = toHex(startNonce);
  const startedAtMs = clock.nowMs();
  send(session, { type: 'start', nonce: startNonce });
  const lastValue = await collectRoots(session, startChain(seed, startNonce), startedAtMs);
  const auditNonce = randomBytes(HASH_BYTES);
  session.result.transcript.auditNonce = toHex(auditNonce);
  await probe(session);
  await collectOpenings(session, drawSamples(session.params, auditNonce, lastValue));
}

function send(session: Session, frame: ValidatorFrame): void {
  try {
    session.options.transport.write(encodeLine('validator', encodeValidatorFrame(frame)));
  } catch {
    session.mailbox.fail(failure('closed', 'nothing could be sent'));
  }
}

type Arrived<T extends ProverFrame['type']> = { frame: Extract<ProverFrame, { type: T }>; atMs: number };

/** The next frame, which must be of one type; a timeout becomes the failure that the caller names. */
async function expectFrame<T extends ProverFrame['type']>(
  session: Session,
  type: T,
  untilMs: number,
  onTimeout: ProofFailure,
): Promise<Arrived<T>> {
  const delivery = await session.mailbox.next(untilMs);
  if (!delivery.ok && delivery.failure === 'timeout') throw new ChallengeEnd(onTimeout);
  return deliveredFrame(delivery, type);
}

/** The frame that was delivered, if it is of the type that was due; everything else ends the challenge. */
function deliveredFrame<T extends ProverFrame['type']>(delivery: Delivery, type: T): Arrived<T> {
  if (!delivery.ok) throw new ChallengeEnd(delivery.failure === 'timeout' ? failure('closed') : delivery.failure);
  if (!isOfType(delivery.arrived, type)) {
    throw new ChallengeEnd(failure('out-of-order', `${delivery.arrived.frame.type} instead of ${type}`));
  }
  return delivery.arrived;
}

function isOfType<T extends ProverFrame['type']>(arrived: ArrivedFrame, type: T): arrived is Arrived<T> {
  return arrived.frame.type === type;
}

async function greet(session: Session): Promise<DeviceName> {
  const untilMs = session.options.clock.nowMs() + CHALLENGE_LIMITS.helloMs;
  const { frame } = await expectFrame(session, 'hello', untilMs, failure('not-started'));
  if (frame.version !== PROTOCOL_VERSION) {
    throw new ChallengeEnd(failure('wrong-version', `${frame.version} instead of ${PROTOCOL_VERSION}`));
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
    if (toHex(frame.token) !== toHex(token)) throw new ChallengeEnd(failure('out-of-order', 'a foreign probe token'));
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
async function collectRoots(session: Session, firstValue: Uint8Array, startedAtMs: number): Promise<Uint8Array> {
  const { params } = session;
  const { clock, declaredRateUnitsPerSecond } = session.options;
  const { transcript, timing } = session.result;
  // A millisecond more, so that whoever is given up is beyond the limit also in whole milliseconds.
  const rate = judgedRate(params, declaredRateUnitsPerSecond);
  const limitMs = deadlineMs(chainWorkUnits(params), rate, MAX_RTT_CREDIT_MS) + 1;
  const steps = stepCount(params);
  let q = firstValue;
  for (let step = 0; step < steps; step++) {
    const delivery = await session.mailbox.next(startedAtMs + limitMs);
    if (!delivery.ok && delivery.failure === 'timeout') {
      timing.elapsedMs = clock.nowMs() - startedAtMs;
      throw new ChallengeEnd(failure('late', `${step} of ${steps} roots within ${Math.floor(limitMs)} ms`));
    }
    const { frame, atMs } = deliveredFrame(delivery, 'root');
    if (frame.step !== step || atMs < startedAtMs) {
      throw new ChallengeEnd(failure('out-of-order', `a root of step ${frame.step} where ${step} was due`));
    }
    transcript.roots.push(toHex(frame.root));
    timing.rootArrivalsMs.push(atMs - startedAtMs);
    q = nextChainValue(q, frame.root);
  }
  timing.elapsedMs = timing.rootArrivalsMs[steps - 1] ?? null;
  return q;
}

/** Asks for all samples at once and takes each opening once, in any order; the transcript keeps the order of the draw. */
async function collectOpenings(session: Session, samples: readonly Sample[]): Promise<void> {
  const untilMs = session.options.clock.nowMs() + CHALLENGE_LIMITS.openMs;
  for (let at = 0; at < samples.length; at += MAX_SAMPLES_PER_FRAME) {
    send(session, { type: 'open', samples: samples.slice(at, at + MAX_SAMPLES_PER_FRAME) });
  }
  const opened = new Map<string, Opening>(
    samples.map(({ step, index }) => [`${step}/${index}`, unopened(step, index)]),
  );
  let missing = samples.length;
  while (missing > 0) {
    const slow: [ProofFailureCode, string] = ['not-opened', `${missing} of ${samples.length} are missing`];
    const { frame } = await expectFrame(session, 'opening', untilMs, failure(...slow));
    const opening = opened.get(`${frame.step}/${frame.index}`);
    if (opening === undefined || opening.digests !== '') {
      throw new ChallengeEnd(failure('out-of-order', 'an opening that was not asked for'));
    }
    opening.digests = toHex(frame.digests);
    opening.path = toHex(frame.path);
    missing -= 1;
  }
  session.result.transcript.openings = [...opened.values()];
}

function unopened(step: number, index: number): Opening {
  return { step, index, digests: '', path: '' };
}
