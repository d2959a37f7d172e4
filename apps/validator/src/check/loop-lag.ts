/** How long the event loop stalled while a clock was read on it: a stall makes an answer look later than it came. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LagMeter } from '../ports.ts';

const RESOLUTION_MS = 5;

/** Measures with `monitorEventLoopDelay`, from which its own resolution is taken off. */
export function createLagMeter(): LagMeter {
  return {
    start() {
      const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
      histogram.enable();
      return {
        stop() {
          histogram.disable();
          // Without a single sample the loop never came round: that is what `max` then says.
          return Math.max(0, histogram.max / 1e6 - RESOLUTION_MS);
        },
      };
    },
  };
}

/**
 * Whether a late answer may be late only because this process stalled. The chain of a challenge needs nothing from the validator once it is
 * started, so a stall can move only the two moments that are compared, its start and its end.
 */
export function lagExcuses(lateByMs: number, lagMs: number): boolean {
  return lateByMs <= 2 * lagMs;
}
