/** A clock for tests whose time passes only when everybody waits: delays of hours cost nothing and nothing depends on the machine. */
import type { ProofClock } from '../src/contracts.ts';

interface Timer {
  atMs: number;
  order: number;
  fire(): void;
}

/** Starts at 0. Timers fire in order of their time as soon as no other work is pending. */
export function virtualClock(): ProofClock {
  const timers = new Set<Timer>();
  let nowMs = 0;
  let order = 0;
  let pumping = false;

  function pump(): void {
    const next = [...timers].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
    if (next === undefined) {
      pumping = false;
      return;
    }
    timers.delete(next);
    nowMs = Math.max(nowMs, next.atMs);
    next.fire();
    setTimeout(pump, 0);
  }

  return {
    nowMs: () => nowMs,
    setTimer(delayMs, fire) {
      const timer: Timer = { atMs: nowMs + Math.max(0, delayMs), order: (order += 1), fire };
      timers.add(timer);
      if (!pumping) {
        pumping = true;
        setTimeout(pump, 0);
      }
      return () => void timers.delete(timer);
    },
  };
}
