/** Virtual time for whole challenges: it passes only when nobody has work left, so a trial costs its computing and no waiting. */
import type { ProofClock } from '@celium/proof';

interface Timer {
  atMs: number;
  fire(): void;
}

/** A clock that starts at 0. Timers fire by their time, then by the order in which they were set, one per turn of the event loop. */
export function virtualClock(): ProofClock {
  const timers: Timer[] = [];
  let nowMs = 0;
  let pumping = false;

  function pump(): void {
    const next = timers.shift();
    if (next === undefined) {
      pumping = false;
      return;
    }
    nowMs = Math.max(nowMs, next.atMs);
    next.fire();
    setImmediate(pump);
  }

  return {
    nowMs: () => nowMs,
    setTimer(delayMs, fire) {
      const timer: Timer = { atMs: nowMs + Math.max(0, delayMs), fire };
      let at = timers.length;
      while (at > 0 && timers[at - 1]!.atMs > timer.atMs) at -= 1;
      timers.splice(at, 0, timer);
      if (!pumping) {
        pumping = true;
        setImmediate(pump);
      }
      return () => {
        const found = timers.indexOf(timer);
        if (found >= 0) timers.splice(found, 1);
      };
    },
  };
}
