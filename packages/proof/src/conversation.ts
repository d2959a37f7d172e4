/** Talking with one prover: frames out, the frame that is due in, roots in order, openings in any; whatever else comes ends it with a reason. */
import { toHex } from './bytes.ts';
import { nextChainValue } from './chain.ts';
import type { Opening, ProofClock, ProofTransport } from './contracts.ts';
import type { Sample } from './draw.ts';
import { failure, type ProofFailure, type ProofFailureCode } from './failures.ts';
import { encodeValidatorFrame, MAX_SAMPLES_PER_FRAME, type ProverFrame, type ValidatorFrame } from './frames.ts';
import { encodeLine } from './lines.ts';
import type { ArrivedFrame, Delivery, Mailbox } from './mailbox.ts';

/** For all openings together, in milliseconds. */
export const OPEN_MS = 60_000;

/** Ends what is being talked about from inside. */
export class ConversationEnd extends Error {
  readonly reason: ProofFailure;
  constructor(reason: ProofFailure) {
    super(reason.code);
    this.reason = reason;
  }
}

/** One prover's stream, both ways. */
export interface Conversation {
  transport: ProofTransport;
  clock: ProofClock;
  mailbox: Mailbox;
}

/** Sends a frame; a stream that takes nothing any more ends the conversation. */
export function send({ transport, mailbox }: Conversation, frame: ValidatorFrame): void {
  try {
    transport.write(encodeLine('validator', encodeValidatorFrame(frame)));
  } catch {
    mailbox.fail(failure('closed', 'nothing could be sent'));
  }
}

type Arrived<T extends ProverFrame['type']> = { frame: Extract<ProverFrame, { type: T }>; atMs: number };

/** The next frame, which must be of one type; a timeout becomes the failure that the caller names. */
export async function expectFrame<T extends ProverFrame['type']>(
  { mailbox }: Conversation,
  type: T,
  untilMs: number,
  onTimeout: ProofFailure,
): Promise<Arrived<T>> {
  const delivery = await mailbox.next(untilMs);
  if (!delivery.ok && delivery.failure === 'timeout') throw new ConversationEnd(onTimeout);
  return deliveredFrame(delivery, type);
}

/** The frame that was delivered, if it is of the type that was due; everything else ends the conversation. */
function deliveredFrame<T extends ProverFrame['type']>(delivery: Delivery, type: T): Arrived<T> {
  if (!delivery.ok) throw new ConversationEnd(delivery.failure === 'timeout' ? failure('closed') : delivery.failure);
  if (!isOfType(delivery.arrived, type)) {
    throw new ConversationEnd(failure('out-of-order', `${delivery.arrived.frame.type} instead of ${type}`));
  }
  return delivery.arrived;
}

function isOfType<T extends ProverFrame['type']>(arrived: ArrivedFrame, type: T): arrived is Arrived<T> {
  return arrived.frame.type === type;
}

/** A chain whose roots are due. */
export interface RootsDue {
  steps: number;
  firstValue: Uint8Array;
  startedAtMs: number;
  limitMs: number;
  /** Gets each root as hex and its time after the start. */
  onRoot(root: string, afterMs: number): void;
  /** Gets the time after the start at which waiting ended without the last root. */
  onLate?(afterMs: number): void;
}

/** Takes the roots in order and returns the chain value after the last. */
export async function collectRoots(talk: Conversation, due: RootsDue): Promise<Uint8Array> {
  const { steps, startedAtMs, limitMs } = due;
  let q = due.firstValue;
  for (let step = 0; step < steps; step++) {
    const delivery = await talk.mailbox.next(startedAtMs + limitMs);
    if (!delivery.ok && delivery.failure === 'timeout') {
      due.onLate?.(talk.clock.nowMs() - startedAtMs);
      throw new ConversationEnd(failure('late', `${step} of ${steps} roots within ${Math.floor(limitMs)} ms`));
    }
    const { frame, atMs } = deliveredFrame(delivery, 'root');
    if (frame.step !== step || atMs < startedAtMs) {
      throw new ConversationEnd(failure('out-of-order', `a root of step ${frame.step} where ${step} was due`));
    }
    due.onRoot(toHex(frame.root), atMs - startedAtMs);
    q = nextChainValue(q, frame.root);
  }
  return q;
}

/** Asks for all samples at once and takes each opening once, in any order; what is returned has the order of the draw. */
export async function collectOpenings(talk: Conversation, samples: readonly Sample[]): Promise<Opening[]> {
  const untilMs = talk.clock.nowMs() + OPEN_MS;
  for (let at = 0; at < samples.length; at += MAX_SAMPLES_PER_FRAME) {
    send(talk, { type: 'open', samples: samples.slice(at, at + MAX_SAMPLES_PER_FRAME) });
  }
  const opened = new Map<string, Opening>(
    samples.map(({ step, index }) => [`${step}/${index}`, { step, index, digests: '', path: '' }]),
  );
  let missing = samples.length;
  while (missing > 0) {
    const slow: [ProofFailureCode, string] = ['not-opened', `${missing} of ${samples.length} are missing`];
    const { frame } = await expectFrame(talk, 'opening', untilMs, failure(...slow));
    const opening = opened.get(`${frame.step}/${frame.index}`);
    if (opening === undefined || opening.digests !== '') {
      throw new ConversationEnd(failure('out-of-order', 'an opening that was not asked for'));
    }
    opening.digests = toHex(frame.digests);
    opening.path = toHex(frame.path);
    missing -= 1;
  }
  return [...opened.values()];
}
