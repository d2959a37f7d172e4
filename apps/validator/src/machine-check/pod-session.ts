/** The validator's side of a machine session: asks over a pod's shell, answers with their arrival on our clock, every wait and every byte bounded. */

import {
  encodeLine,
  encodeMachineFrame,
  lineReader,
  MACHINE_SESSION_VERSION,
  parseMachineAnswer,
  proverShellCommand,
  type MachineAnswer,
  type MachineAsk,
} from '@celium/proof';
import type { Shell, ValidatorClock } from '../ports.ts';

/** Why a session is over: always the pod's doing, or that of the path. */
export type SessionFault = 'timeout' | 'closed' | 'malformed' | 'flood' | 'disk' | 'ports' | 'file' | 'refused';

/** Thrown by every ask that brings no answer. The words are ours; nothing of the host is in them. */
export class PodSessionFault extends Error {
  readonly fault: SessionFault;

  constructor(fault: SessionFault) {
    super(WORDS[fault]);
    this.name = 'PodSessionFault';
    this.fault = fault;
  }
}

const WORDS: Record<SessionFault, string> = {
  timeout: 'the pod did not answer in time',
  closed: 'the session was closed',
  malformed: 'the pod sent what is no answer',
  flood: 'the pod sent more than was asked for',
  disk: 'the pod could not use its disk',
  ports: 'the pod could not open its ports',
  file: 'a file is missing or too short',
  refused: 'the pod refused what was asked',
};

const HELLO_MS = 30_000;
const ANSWER_MS = 20_000;
/** A walk that takes this much longer than its limit is not waited for. */
const WALK_PATIENCE_MS = 15_000;
/** What may come in besides file bytes, and before the first frame. */
const MAX_BYTES = 4 * 1024 * 1024;
/** A line carries file bytes as base64, with its prefix. */
const LINE_OVERHEAD = 1.5;

/** Words of the command that starts the session in a pod. */
export type MachineCommand = readonly string[];

interface Arrived {
  answer: MachineAnswer;
  atMs: number;
}

/** One session. Asks are made one at a time. */
export class PodSession {
  readonly #shell: Pick<Shell, 'write' | 'onData' | 'onClose'>;
  readonly #clock: ValidatorClock;
  readonly #queue: Arrived[] = [];
  #ended: SessionFault | null = null;
  #wake: () => void = () => {};
  #bytesLeft = MAX_BYTES;

  constructor(shell: Pick<Shell, 'write' | 'onData' | 'onClose'>, clock: ValidatorClock) {
    this.#shell = shell;
    this.#clock = clock;
    const read = lineReader('machine-pod');
    shell.onData((chunk) => {
      const atMs = clock.nowMs();
      if (this.#ended !== null) return;
      this.#bytesLeft -= chunk.length;
      if (this.#bytesLeft < 0) return this.#end('flood');
      for (const event of read(chunk)) {
        const answer = event.kind === 'frame' ? parseMachineAnswer(event.frame) : null;
        if (answer === null) return this.#end('malformed');
        if (answer.type === 'fault') return this.#end(answer.what);
        this.#queue.push({ answer, atMs });
      }
      this.#wake();
    });
    shell.onClose(() => this.#end('closed'));
  }

  /** Starts the pod's program and waits until it is there. */
  async start(command: MachineCommand): Promise<void> {
    this.#shell.write(proverShellCommand([...command, '--machine']));
    const { answer } = await this.#next('hello', HELLO_MS);
    if (answer.version !== MACHINE_SESSION_VERSION) throw new PodSessionFault('malformed');
  }

  /** Has disk blocks written; how many there are when it is done. */
  async write(ask: Omit<Extract<MachineAsk, { type: 'write' }>, 'type'>): Promise<{ blocks: number; full: boolean }> {
    this.#send({ type: 'write', ...ask });
    const { answer } = await this.#next('wrote', ask.limitMs + ANSWER_MS);
    if (answer.blocks > ask.blocks) throw new PodSessionFault('malformed');
    return { blocks: answer.blocks, full: answer.full };
  }

  /** One walk over the blocks that were written: each answer, and when it came, counted from the question. */
  async walk(nonce: Uint8Array, hops: number, limitMs: number): Promise<Array<{ digest: Uint8Array; atMs: number }>> {
    const startMs = this.#clock.nowMs();
    this.#send({ type: 'walk', nonce, hops });
    const untilMs = startMs + limitMs + WALK_PATIENCE_MS;
    const seen = [];
    while (seen.length < hops) {
      const { answer, atMs } = await this.#next('hop', untilMs - this.#clock.nowMs());
      seen.push({ digest: answer.digest, atMs: atMs - startMs });
    }
    return seen;
  }

  /** Has the pod listen on ports; those that it says it opened. */
  async listen(secret: Uint8Array, ports: number[]): Promise<number[]> {
    this.#send({ type: 'listen', secret, ports });
    return (await this.#next('listening', ANSWER_MS)).answer.ports;
  }

  /** Bytes of a file in the pod, and how long they took. */
  async readFile(path: string, offset: number, length: number): Promise<Uint8Array> {
    this.#bytesLeft += Math.ceil(length * LINE_OVERHEAD);
    this.#send({ type: 'read', path, offset, length });
    const untilMs = this.#clock.nowMs() + ANSWER_MS;
    const bytes = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      const { answer } = await this.#next('bytes', untilMs - this.#clock.nowMs());
      if (answer.at !== at || at + answer.data.length > length) throw new PodSessionFault('malformed');
      bytes.set(answer.data, at);
      at += answer.data.length;
    }
    return bytes;
  }

  /** Says goodbye. */
  end(): void {
    if (this.#ended === null) this.#send({ type: 'end' });
    this.#end('closed');
  }

  #send(ask: MachineAsk): void {
    this.#shell.write(encodeLine('machine-validator', encodeMachineFrame(ask)));
  }

  #end(fault: SessionFault): void {
    this.#ended ??= fault;
    this.#wake();
  }

  async #next<Type extends MachineAnswer['type']>(
    type: Type,
    withinMs: number,
  ): Promise<{ answer: Extract<MachineAnswer, { type: Type }>; atMs: number }> {
    const untilMs = this.#clock.nowMs() + withinMs;
    for (;;) {
      const arrived = this.#queue.shift();
      if (arrived !== undefined) {
        if (arrived.answer.type !== type) throw this.#fail('malformed');
        return arrived as { answer: Extract<MachineAnswer, { type: Type }>; atMs: number };
      }
      if (this.#ended !== null) throw new PodSessionFault(this.#ended);
      const leftMs = untilMs - this.#clock.nowMs();
      if (leftMs <= 0) throw this.#fail('timeout');
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimer(leftMs, resolve);
        this.#wake = () => {
          cancel();
          resolve();
        };
      });
      this.#wake = () => {};
    }
  }

  #fail(fault: SessionFault): PodSessionFault {
    this.#end(fault);
    return new PodSessionFault(fault);
  }
}
