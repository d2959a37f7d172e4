/** The real monotonic clock, for programs that measure and not simulate. */
import type { ProofClock } from './contracts.ts';

/** `performance.now()` and `setTimeout`. */
export const systemClock: ProofClock = {
  nowMs: () => performance.now(),
  setTimer: (delayMs, fire) => {
    const timer = setTimeout(fire, Math.max(0, delayMs));
    return () => clearTimeout(timer);
  },
};
