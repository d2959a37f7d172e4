/** Time as the agent sees it: a wall clock for people and documents, a monotonic one for durations. A port, so that a simulator can run it. */
import { readFileSync } from 'node:fs';

/** Stops a timer that has not yet fired. */
export type CancelTimer = () => void;

export interface Clock {
  /** Unix milliseconds; may jump. */
  nowMs(): number;
  /** Milliseconds since the machine's boot (CLOCK_MONOTONIC): comparable between runs of the agent within one boot. */
  monotonicMs(): number;
  /** Calls `act` once after `delayMs`; the process does not stay alive for it. */
  after(delayMs: number, act: () => void): CancelTimer;
}

/** The machine's own clocks. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  after(delayMs, act) {
    const timer = setTimeout(act, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Waits on the given clock, or until `signal` aborts (then it throws the signal's reason). */
export async function wait(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The kernel's id of this boot of the machine. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
