/** Speaks to a published port of a pod from outside: does it lead into the pod, how long is the way, how fast do payloads go. */

import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  encodeResponderRequest,
  PAYLOAD_PIECE_BYTES,
  payloadSource,
  RESPONDER_ANSWER_BYTES,
  responderAnswer,
  type ResponderRequest,
} from '@celium/proof';
import { resolveAddress } from '../network/addresses.ts';
import type { RandomBytes, ValidatorClock } from '../ports.ts';

/** A TCP connection to an address that a stranger named. */
export interface Dialer {
  /** Rejects when there is none within the time. */
  dial(host: string, port: number, timeoutMs: number): Promise<Socket>;
}

/** A published port, and what its pod knows. */
export interface PublishedPort {
  host: string;
  port: number;
  podPort: number;
  secret: Uint8Array;
}

/** What was seen through one port; rates are 0 for what was not tried or did not come through. */
export interface PortFindings {
  reached: boolean;
  rttMinMs: number | null;
  /** Bytes per second out of the pod, and into it. */
  upBytesPerSecond: number;
  downBytesPerSecond: number;
}

const DIAL_MS = 5_000;
const ECHO_MS = 5_000;
const ECHOES = 8;
/** A port that was just published may need a moment. */
const TRIES = 2;
/** The most time that one payload gets. */
const TRANSFER_MS = 20_000;

/** Connections as Node makes them; private addresses only where allowed. */
export function createDialer(allowPrivate: boolean): Dialer {
  return {
    async dial(host, port, timeoutMs) {
      const address = await resolveAddress(host, allowPrivate);
      return new Promise((resolve, reject) => {
        const socket = connect({ host: address, port, noDelay: true });
        const stop = (fault: Error): void => {
          clearTimeout(timer);
          socket.destroy();
          reject(fault);
        };
        const timer = setTimeout(() => stop(new Error(`no TCP connection within ${timeoutMs} ms`)), timeoutMs);
        socket.once('error', stop);
        socket.once('connect', () => {
          clearTimeout(timer);
          socket.off('error', stop);
          resolve(socket);
        });
      });
    },
  };
}

/** What probes take from outside. */
export interface ProbePorts {
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  dialer: Dialer;
}

/** Tries one port; with `payloadBytes` also transfers both ways. Never throws: what does not work is in the findings. */
export async function probePort(ports: ProbePorts, target: PublishedPort, payloadBytes: number): Promise<PortFindings> {
  const findings: PortFindings = { reached: false, rttMinMs: null, upBytesPerSecond: 0, downBytesPerSecond: 0 };
  for (let tries = 0; tries < TRIES && !findings.reached; tries += 1) {
    try {
      const socket = await ports.dialer.dial(target.host, target.port, DIAL_MS);
      const conversation = new Conversation(socket, ports, target);
      try {
        findings.rttMinMs = await conversation.echo(ECHOES);
        findings.reached = true;
        if (payloadBytes > 0) {
          findings.upBytesPerSecond = await conversation.receive(payloadBytes);
          findings.downBytesPerSecond = await conversation.send(payloadBytes);
        }
      } finally {
        conversation.close();
      }
    } catch {
      // Closed, silent or wrong: the findings say how far it went.
    }
  }
  return findings;
}

/** One connection: bytes come in as they are waited for, and no more than that. */
class Conversation {
  readonly #socket: Socket;
  readonly #ports: ProbePorts;
  readonly #target: PublishedPort;

  constructor(socket: Socket, ports: ProbePorts, target: PublishedPort) {
    this.#socket = socket;
    this.#ports = ports;
    this.#target = target;
    socket.on('error', () => socket.destroy());
  }

  close(): void {
    this.#socket.destroy();
  }

  /** The shortest of several round trips, each with its own nonce. Throws when an answer is missing or wrong. */
  async echo(times: number): Promise<number> {
    let best = Infinity;
    for (let i = 0; i < times; i += 1) {
      const request = this.#request('echo', 0);
      const startMs = this.#ports.clock.nowMs();
      this.#ask(request);
      await this.#expect(responderAnswer(request, this.#target.secret, this.#target.podPort), ECHO_MS);
      best = Math.min(best, this.#ports.clock.nowMs() - startMs);
    }
    return best;
  }

  /** Takes a payload in and compares every byte; bytes per second, or 0 when one was wrong. */
  async receive(bytes: number): Promise<number> {
    const request = this.#request('down', bytes);
    const source = payloadSource(this.#target.secret, request.nonce);
    const startMs = this.#ports.clock.nowMs();
    this.#ask(request);
    let at = 0;
    let right = true;
    let piece = source(0);
    await this.#read(bytes, TRANSFER_MS, (chunk) => {
      for (let done = 0; done < chunk.length;) {
        const from = at % PAYLOAD_PIECE_BYTES;
        if (from === 0 && at > 0) piece = source(at / PAYLOAD_PIECE_BYTES);
        const part = chunk.subarray(done, done + PAYLOAD_PIECE_BYTES - from);
        right &&= Buffer.compare(part, piece.subarray(from, from + part.length)) === 0;
        done += part.length;
        at += part.length;
      }
    });
    return right ? this.#rate(bytes, startMs) : 0;
  }

  /** Sends a payload that the pod cannot know and waits for its digest; bytes per second, or 0 when that is wrong. */
  async send(bytes: number): Promise<number> {
    const request = this.#request('up', bytes);
    const source = payloadSource(this.#ports.randomBytes(32), request.nonce);
    const hash = createHash('sha256');
    const startMs = this.#ports.clock.nowMs();
    this.#ask(request);
    const untilMs = startMs + TRANSFER_MS;
    for (let at = 0; at < bytes; at += PAYLOAD_PIECE_BYTES) {
      const piece = source(at / PAYLOAD_PIECE_BYTES).subarray(0, bytes - at);
      hash.update(piece);
      if (!this.#socket.write(piece)) await this.#drained(untilMs - this.#ports.clock.nowMs());
    }
    const expected = responderAnswer(request, this.#target.secret, this.#target.podPort, hash.digest());
    await this.#expect(expected, untilMs - this.#ports.clock.nowMs());
    return this.#rate(bytes, startMs);
  }

  #request(kind: ResponderRequest['kind'], bytes: number): ResponderRequest {
    return { kind, nonce: this.#ports.randomBytes(32), bytes };
  }

  #ask(request: ResponderRequest): void {
    this.#socket.write(encodeResponderRequest(request, this.#target.secret, this.#target.podPort));
  }

  #rate(bytes: number, startMs: number): number {
    return Math.round((bytes * 1000) / Math.max(1, this.#ports.clock.nowMs() - startMs));
  }

  async #expect(answer: Uint8Array, withinMs: number): Promise<void> {
    const got = Buffer.alloc(RESPONDER_ANSWER_BYTES);
    let at = 0;
    await this.#read(RESPONDER_ANSWER_BYTES, withinMs, (chunk) => {
      chunk.copy(got, at);
      at += chunk.length;
    });
    if (Buffer.compare(got, answer) !== 0) throw new Error('the answer is not that of the pod');
  }

  /** Hands exactly `bytes` bytes on as they come. */
  #read(bytes: number, withinMs: number, take: (chunk: Buffer) => void): Promise<void> {
    return this.#wait(withinMs, (done) => {
      let left = bytes;
      const onData = (chunk: Buffer): void => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        take(part);
        if (left === 0) done(chunk.length > part.length ? new Error('more came than was asked for') : undefined);
      };
      this.#socket.on('data', onData);
      return () => void this.#socket.off('data', onData);
    });
  }

  #drained(withinMs: number): Promise<void> {
    return this.#wait(withinMs, (done) => {
      const onDrain = (): void => done();
      this.#socket.once('drain', onDrain);
      return () => void this.#socket.off('drain', onDrain);
    });
  }

  #wait(withinMs: number, start: (done: (fault?: Error) => void) => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const onClose = (): void => done(new Error('the connection was closed'));
      const done = (fault?: Error): void => {
        cancel();
        stop();
        this.#socket.off('close', onClose);
        if (fault === undefined) resolve();
        else reject(fault);
      };
      const cancel = this.#ports.clock.setTimer(Math.max(0, withinMs), () => done(new Error('no answer in time')));
      this.#socket.once('close', onClose);
      const stop = start(done);
      if (this.#socket.destroyed) onClose();
    });
  }
}
