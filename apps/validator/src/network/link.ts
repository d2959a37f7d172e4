/** A worse network on purpose: delay, loss and rate between validator and pod, so that "late" is made and not waited for. */

import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
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
    const value = Number(raw);
    const wrong = raw === '' || !Number.isFinite(value) || value < 0;
    if (name === 'delay' && !wrong && value <= MAX_DELAY_MS) link.delayMs = value;
    else if (name === 'loss' && !wrong && value < 1) link.lossRatio = value;
    else if (name === 'rate' && !wrong) link.rateBytesPerSecond = value;
    else
      throw new CeliumError(
        'USAGE',
        `--link ${JSON.stringify(text)}: write delay=MS (up to ${MAX_DELAY_MS}), loss=0..1 and rate=BYTES_PER_SECOND, separated by commas.`,
      );
  }
  return link;
}

/** When bytes that enter one direction of a link come out again: first in, first out, each no earlier than the one before. */
class Direction {
  readonly #link: Link;
  readonly #deliver: (chunk: Buffer | null) => void;
  #freeAtMs = 0;
  #lastAtMs = 0;
  #bytesUnderWay = 0;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(link: Link, deliver: (chunk: Buffer | null) => void) {
    this.#link = link;
    this.#deliver = deliver;
  }

  /** `null` is the end of the stream. `left` is called when the chunk has come out. */
  enter(chunk: Buffer | null, left: () => void): void {
    const nowMs = performance.now();
    const bytes = chunk?.length ?? 0;
    const { delayMs, lossRatio, rateBytesPerSecond } = this.#link;
    const sendMs = rateBytesPerSecond === 0 ? 0 : (bytes / rateBytesPerSecond) * 1000;
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + sendMs;
    const resendMs = chunk !== null && Math.random() < lossRatio ? RESEND_MS + delayMs : 0;
    this.#lastAtMs = Math.max(this.#lastAtMs, this.#freeAtMs + delayMs + resendMs);
    this.#bytesUnderWay += bytes;
    // A sender is held back only when the link is full, as a socket's buffer would do.
    const full = this.#bytesUnderWay > MAX_BYTES_UNDER_WAY;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#bytesUnderWay -= bytes;
      this.#deliver(chunk);
      if (full) left();
    }, this.#lastAtMs - nowMs);
    this.#timers.add(timer);
    if (!full) left();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}

/** Puts `link` in front of a connected socket. Destroying the result destroys the socket. */
export function shapeSocket(socket: Socket, link: Link): Duplex {
  const inward = new Direction(link, (chunk) => void shaped.push(chunk));
  const outward = new Direction(link, (chunk) => {
    if (chunk === null) socket.end();
    else socket.write(chunk);
  });
  const shaped = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => outward.enter(chunk, done),
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
  socket.on('error', (fault) => shaped.destroy(fault));
  socket.on('close', () => {
    if (!socket.readableEnded) shaped.destroy();
  });
  return shaped;
}
