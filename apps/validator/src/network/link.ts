/** A worse network on purpose: delay, loss and rate between validator and pod, so that "late" is made and not waited for. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { CeliumError } from '@celium/contract';

/** What a path does to bytes, each way. */
export interface Link {
  /** Added to every byte, in milliseconds. */
  delayMs: number;
  /** Share of chunks that need a second sending, 0 to 1. */
  lossRatio: number;
  /** Bytes per second, 0 for no limit. */
  rateBytesPerSecond: number;
}

/** What a lost chunk costs on top: the shortest retransmission time of TCP. */
const RESEND_MS = 200;
/** The longest delay and the most bytes under way. */
const MAX_DELAY_MS = 120_000;
const MAX_BYTES_UNDER_WAY = 16 * 1024 * 1024;

/** Reads `delay=100,loss=0.01,rate=125000`. Throws `USAGE` for anything else. */
export function parseLink(text: string): Link {
  const link: Link = { delayMs: 0, lossRatio: 0, rateBytesPerSecond: 0 };
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const [name = '', raw = ''] = part.split('=');
    const value = /^\d+(\.\d+)?$/.test(raw) ? Number(raw) : Number.NaN;
    if (name === 'delay' && value <= MAX_DELAY_MS) link.delayMs = value;
    else if (name === 'loss' && value < 1) link.lossRatio = value;
    else if (name === 'rate' && value < Infinity) link.rateBytesPerSecond = value;
    else
      throw new CeliumError(
        'USAGE',
        `--link ${JSON.stringify(text)}: write delay=MS (up to ${MAX_DELAY_MS}), loss=0..1 and rate=BYTES_PER_SECOND, separated by commas.`,
      );
  }
  return link;
}

/** A chunk (null: the end of the stream) that comes out at `atMs`. */
interface UnderWay {
  chunk: Buffer | null;
  atMs: number;
  /** Called when it has come out: its sender was held back. */
  onOut: (() => void) | null;
}

/** One direction: first in, first out. One timer for the first chunk, so that no rounding of timers can change the order. */
class Direction {
  readonly #deliver: (chunk: Buffer | null) => void;
  readonly #queue: UnderWay[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Null while the path is as good as it is. */
  link: Link | null = null;
  #freeAtMs = 0;
  #lastAtMs = 0;
  #bytesUnderWay = 0;

  constructor(deliver: (chunk: Buffer | null) => void) {
    this.#deliver = deliver;
  }

  /** `more` is called when the sender may go on: held back only by a full path, as by a socket's buffer. */
  enter(chunk: Buffer | null, more: () => void): void {
    const nowMs = performance.now();
    const bytes = chunk?.length ?? 0;
    const atMs = this.#schedule(bytes, nowMs);
    if (atMs <= nowMs && this.#queue.length === 0) {
      this.#deliver(chunk);
      return more();
    }
    this.#bytesUnderWay += bytes;
    const full = this.#bytesUnderWay > MAX_BYTES_UNDER_WAY;
    this.#queue.push({ chunk, atMs, onOut: full ? more : null });
    if (this.#queue.length === 1) this.#arm();
    if (!full) more();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #arm(): void {
    const [first] = this.#queue;
    if (first === undefined) return;
    this.#timer = setTimeout(() => this.#deliverDue(), Math.max(0, first.atMs - performance.now()));
  }

  #deliverDue(): void {
    while (this.#queue[0] !== undefined && this.#queue[0].atMs <= performance.now() + 0.5) {
      const { chunk, onOut } = this.#queue.shift() as UnderWay;
      this.#bytesUnderWay -= chunk?.length ?? 0;
      this.#deliver(chunk);
      onOut?.();
    }
    this.#arm();
  }

  #schedule(bytes: number, nowMs: number): number {
    if (this.link === null) return nowMs;
    const { delayMs, lossRatio, rateBytesPerSecond } = this.link;
    const sendMs = rateBytesPerSecond === 0 ? 0 : (bytes / rateBytesPerSecond) * 1000;
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + sendMs;
    const resendMs = Math.random() < lossRatio ? RESEND_MS + delayMs : 0;
    this.#lastAtMs = Math.max(this.#lastAtMs, this.#freeAtMs + delayMs + resendMs);
    return this.#lastAtMs;
  }
}

/** A socket behind a link. */
export interface ShapedSocket {
  stream: Duplex;
  /** From here on the link is as bad as it should be; before, it is as good as the socket. */
  begin(): void;
}

/** Puts `link` in front of a connected socket. Destroying the stream destroys the socket. */
export function shapeSocket(socket: Socket, link: Link): ShapedSocket {
  const inward = new Direction((chunk) => void stream.push(chunk));
  const outward = new Direction((chunk) => {
    if (chunk === null) socket.end();
    else if (socket.writable) socket.write(chunk);
  });
  const stream = new Duplex({
    read: () => void socket.resume(),
    // A writer may use its buffer again once its write is done, which here is long before the bytes have left.
    write: (chunk: Buffer, _encoding, done) => outward.enter(Buffer.from(chunk), done),
    final: (done) => outward.enter(null, done),
    destroy: (fault, done) => {
      inward.stop();
      outward.stop();
      socket.destroy();
      done(fault);
    },
  });
  socket.on('data', (chunk: Buffer) => {
    socket.pause();
    inward.enter(chunk, () => void socket.resume());
  });
  socket.on('end', () => inward.enter(null, () => {}));
  socket.on('error', (fault) => stream.destroy(fault));
  socket.on('close', () => {
    if (!socket.readableEnded) stream.destroy();
  });
  return {
    stream,
    begin() {
      inward.link = link;
      outward.link = link;
    },
  };
}
