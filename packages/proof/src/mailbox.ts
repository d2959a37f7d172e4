/** A prover's stream as a queue of frames with their arrival times: stamped when bytes arrive, bounded in bytes, awaited one at a time. */
import type { ProofClock, ProofTransport } from './contracts.ts';
import { failure, type ProofFailure, type ProofFailureCode } from './failures.ts';
import { parseProverFrame, type ProverError, type ProverFrame } from './frames.ts';
import { lineReader } from './lines.ts';

/** A frame and the moment its last byte arrived. */
export interface ArrivedFrame {
  frame: ProverFrame;
  atMs: number;
}

/** The next frame, or why there will be none: `timeout` is for the caller to name. */
export type Delivery = { ok: true; arrived: ArrivedFrame } | { ok: false; failure: ProofFailure | 'timeout' };

/** The receiving side of a challenge. */
export interface Mailbox {
  /** Waits for the next frame until `untilMs` on the clock. One caller at a time. */
  next(untilMs: number): Promise<Delivery>;
  /** Ends everything with a failure, e.g. when the validator gives up. */
  fail(reason: ProofFailure): void;
  bytesReceived(): number;
}

/** How much a prover may send in all. Frames count too: nobody reads them while siblings are waited for, and the smallest costs more here than on the wire. */
export interface MailboxBounds {
  bytes: number;
  frames: number;
}

/** What a prover's own error means to the validator. */
const FAILURE_OF: Record<ProverError, ProofFailureCode> = {
  'device-fault': 'prover-error',
  'out-of-memory': 'memory-refused',
  'refused-challenge': 'prover-error',
  'no-peer': 'no-peer',
};

/** Listens to a transport. Beyond a bound, after a broken frame, an error report or the end of the stream nothing more is taken in. */
export function openMailbox(transport: ProofTransport, clock: ProofClock, bounds: MailboxBounds): Mailbox {
  const read = lineReader('prover');
  const queue: ArrivedFrame[] = [];
  let bytes = 0;
  let frames = 0;
  let ended: ProofFailure | null = null;
  let wake: (() => void) | null = null;

  function end(reason: ProofFailure): void {
    ended ??= reason;
    wake?.();
  }

  function take(frame: ProverFrame | null, atMs: number): void {
    if (frame === null) end(failure('malformed'));
    else if (frame.type === 'error') end(failure(FAILURE_OF[frame.error]));
    else if ((frames += 1) > bounds.frames) end(failure('flood', `more than ${bounds.frames} frames`));
    else queue.push({ frame, atMs });
  }

  transport.onData((chunk) => {
    const atMs = clock.nowMs();
    if (ended !== null) return;
    bytes += chunk.length;
    if (bytes > bounds.bytes) {
      end(failure('flood', `more than ${bounds.bytes} bytes`));
      return;
    }
    for (const event of read(chunk)) {
      take(event.kind === 'frame' ? parseProverFrame(event.frame) : null, atMs);
      if (ended !== null) break;
    }
    wake?.();
  });
  transport.onClose(() => end(failure('closed')));

  return {
    async next(untilMs) {
      for (;;) {
        const arrived = queue.shift();
        if (arrived !== undefined) return { ok: true, arrived };
        if (ended !== null) return { ok: false, failure: ended };
        const leftMs = untilMs - clock.nowMs();
        if (leftMs <= 0) return { ok: false, failure: 'timeout' };
        await new Promise<void>((resolve) => {
          const cancel = clock.setTimer(leftMs, resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
        wake = null;
      }
    },
    fail: end,
    bytesReceived: () => bytes,
  };
}
