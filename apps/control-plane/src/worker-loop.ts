/** A worker that looks for work at an interval and whenever it is woken: the wake is for speed, the looking is the truth. */
import type { Logger } from 'pino';
import type { Clock } from './ports.ts';

export interface WorkerLoop {
  /** Look now; calls during a run lead to one more run. */
  wake(): void;
  /** Ends the loop and waits for the run in progress. */
  stop(): Promise<void>;
}

const MAX_BACKOFF_MS = 10_000;

/**
 * Starts a loop. `work` answers true when there may be more to do at once. A fault is logged, and the next look waits longer,
 * at most ten seconds.
 */
export function startWorkerLoop(
  parts: { name: string; intervalMs: number; clock: Clock; log: Logger },
  work: () => Promise<boolean>,
): WorkerLoop {
  let stopped = false;
  let woken = false;
  let sleeping = new AbortController();
  let faults = 0;
  const run = async (): Promise<void> => {
    while (!stopped) {
      woken = false;
      let more = false;
      try {
        more = await work();
        faults = 0;
      } catch (fault) {
        faults += 1;
        parts.log.error({ err: fault, worker: parts.name, faults }, 'a worker failed; it tries again');
      }
      if (stopped || more || (woken && faults === 0)) continue;
      sleeping = new AbortController();
      const waitMs = faults === 0 ? parts.intervalMs : Math.min(parts.intervalMs * 2 ** faults, MAX_BACKOFF_MS);
      await parts.clock.sleep(waitMs, sleeping.signal);
    }
  };
  const running = run();
  return {
    wake: () => {
      woken = true;
      if (faults === 0) sleeping.abort();
    },
    stop: async () => {
      stopped = true;
      sleeping.abort();
      await running;
    },
  };
}
