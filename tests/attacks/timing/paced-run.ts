/**
 * One timed run, twice over: as the real `runChallenge` sees it on a virtual clock, and as arithmetic in the same order of events. A test holds the two to the same
 * milliseconds; the mass of the tries uses the arithmetic.
 */
import { classifyGpu } from '@celium/domain';
import {
  type AuditOutcome,
  CHALLENGE_LIMITS,
  chainAmounts,
  chainWorkUnits,
  deadlineMs,
  encodeLine,
  encodeProverFrame,
  judgeChallenge,
  judgeDeadline,
  lineReader,
  MAX_RTT_CREDIT_MS,
  networkCreditMs,
  parseValidatorFrame,
  type ProofClaim,
  type ProofTransport,
  PROTOCOL_VERSION,
  type ProverFrame,
  runChallenge,
} from '@celium/proof';
import type { RandomStream } from '../random.ts';
import { virtualClock } from '../virtual-clock.ts';
import { randomBinding } from '../content/trial.ts';
import { type Direction, direction, type Link } from './link.ts';
import type { TimedChain } from './paced-device.ts';

/** Everything that decides a run. */
export interface PacedRun {
  chain: TimedChain;
  link: Link;
  /** Duration of each step, ms. */
  stepMs: readonly number[];
  /** One way through a relay, ms. */
  relayMs?: number;
  /** How long answers to probes are held back, ms. */
  pongDelayMs?: number;
  /** How much later than it is done each root is sent, by its step, ms; roots stay in order. */
  holdMs?(step: number): number;
}

/** What the validator's clock sees of a run, and its verdict on the time. */
export interface TimedVerdict {
  elapsedMs: number;
  rttMinMs: number;
  limitMs: number;
  late: boolean;
  /** What the device is classed as when it was not late. */
  class: string;
}

/** The prover's start and its fill: not timed, so any number does. */
const START_MS = 10;
const FILL_MS = 1_000;

interface Path {
  up: Direction;
  down: Direction;
}

/** Both directions, each with its own stream, so that one never disturbs the other. */
function pathOf({ link, relayMs = 0 }: PacedRun, streams: RunStreams): Path {
  return { up: direction(link, streams.up, relayMs), down: direction(link, streams.down, relayMs) };
}

/** The randomness of one run. */
export interface RunStreams {
  up: RandomStream;
  down: RandomStream;
}

/** When each root is sent, counted from the arrival of `start`. */
function rootTimes({ stepMs, holdMs }: PacedRun): number[] {
  let doneMs = 0;
  let sentMs = 0;
  return stepMs.map((ms, step) => {
    doneMs += ms;
    sentMs = Math.max(sentMs, doneMs + (holdMs?.(step) ?? 0));
    return sentMs;
  });
}

/** The run as arithmetic. */
export function arithmeticRun(run: PacedRun, streams: RunStreams): TimedVerdict {
  const { up, down } = pathOf(run, streams);
  const { params, rateUnitsPerSecond } = run.chain;
  const { probesPerSeries, probeSeriesMs } = CHALLENGE_LIMITS;
  let nowMs = down(START_MS);
  let rttMinMs = Number.POSITIVE_INFINITY;
  const probe = (): void => {
    const endMs = nowMs + probeSeriesMs;
    for (let i = 0; i < probesPerSeries && (i === 0 || nowMs < endMs); i++) {
      const backMs = down(up(nowMs) + (run.pongDelayMs ?? 0));
      rttMinMs = Math.min(rttMinMs, backMs - nowMs);
      nowMs = backMs;
    }
  };
  probe();
  nowMs = down(up(nowMs) + FILL_MS);
  const startedMs = nowMs;
  const atProverMs = up(startedMs);
  for (const sentMs of rootTimes(run)) nowMs = down(atProverMs + sentMs);
  const workUnits = chainWorkUnits(params);
  let elapsedMs = nowMs - startedMs;
  const givenUpMs = deadlineMs(workUnits, rateUnitsPerSecond, MAX_RTT_CREDIT_MS) + 1;
  if (elapsedMs > givenUpMs) elapsedMs = givenUpMs;
  else probe();
  // As a receipt has it: whole milliseconds, the time rounded up and the limit down.
  const figures = { elapsedMs: Math.ceil(elapsedMs), rttMinMs: Math.ceil(rttMinMs) };
  const { ok, limitMs } = judgeDeadline({ ...figures, workUnits, rateUnitsPerSecond: Math.floor(rateUnitsPerSecond) });
  const late = !ok || figures.elapsedMs > Math.floor(limitMs);
  return { ...figures, limitMs: Math.floor(limitMs), late, class: classOf(run.chain, figures) };
}

/** The class that the validator's rule gives a run by its time. */
export function classOf({ params, claimedModel }: TimedChain, seen: { elapsedMs: number; rttMinMs: number }): string {
  const workMs = Math.max(1, seen.elapsedMs - networkCreditMs(seen.rttMinMs));
  return classifyGpu({ claimedModel, memoryBytes: params.memoryBytes, workMs, amounts: chainAmounts(params) });
}

const encoder = new TextEncoder();

/** A prover that computes nothing and sends its roots when the device would have been done. */
function pacedProver(run: PacedRun, streams: RunStreams, clock: ReturnType<typeof virtualClock>): ProofTransport {
  const { up, down } = pathOf(run, streams);
  const read = lineReader('validator');
  let listener: (chunk: Uint8Array) => void = () => undefined;
  const sendAt = (atMs: number, frame: ProverFrame): void => {
    const line = encoder.encode(encodeLine('prover', encodeProverFrame(frame)));
    clock.setTimer(down(atMs) - clock.nowMs(), () => listener(line));
  };
  function take(bytes: Uint8Array): void {
    const frame = parseValidatorFrame(bytes);
    if (frame === null || frame.type === 'end') return;
    const atMs = up(clock.nowMs());
    if (frame.type === 'ping') sendAt(atMs + (run.pongDelayMs ?? 0), { type: 'pong', token: frame.token });
    if (frame.type === 'challenge') sendAt(atMs + FILL_MS, { type: 'filled' });
    if (frame.type === 'start') {
      for (const [step, ms] of rootTimes(run).entries()) {
        sendAt(atMs + ms, { type: 'root', step, root: new Uint8Array(32) });
      }
    }
    if (frame.type === 'open') {
      for (const { step, index } of frame.samples) {
        sendAt(atMs, { type: 'opening', step, index, digests: new Uint8Array(64), path: new Uint8Array(0) });
      }
    }
  }
  return {
    write(text) {
      for (const event of read(encoder.encode(text))) if (event.kind === 'frame') take(event.frame);
    },
    onData(receiver) {
      listener = receiver;
      sendAt(START_MS, { type: 'hello', version: PROTOCOL_VERSION, device: 'simulated' });
    },
    onClose: () => undefined,
  };
}

/** The run through the real validator's side; the audit is taken as clean, because time alone is asked for here. */
export async function challengeRun(run: PacedRun, streams: RunStreams, random: RandomStream): Promise<ProofClaim> {
  const clock = virtualClock();
  const { params, rateUnitsPerSecond } = run.chain;
  const result = await runChallenge({
    transport: pacedProver(run, streams, clock),
    clock,
    randomBytes: (count) => random.bytes(count),
    params,
    binding: randomBinding(random),
    declaredRateUnitsPerSecond: rateUnitsPerSecond,
  });
  const clean: AuditOutcome = {
    ok: true,
    failure: null,
    checked: params.audit,
    wrong: { tiles: 0, leaves: 0, walks: 0 },
  };
  return judgeChallenge({ result, audit: clean, declaredRateUnitsPerSecond: rateUnitsPerSecond });
}
