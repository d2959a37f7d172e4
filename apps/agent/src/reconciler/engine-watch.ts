/** Follows the engine's events: a pod's death is known at once. When the stream ends it is opened again, and everything compared. */
import { wait, type Clock } from '../clock.ts';
import { explain, type Log } from '../log.ts';
import type { PodEngine } from '../pods/pod-engine.ts';
import type { Reconciler } from './reconciler.ts';

const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 2_000;

/** Runs until `signal` aborts. `onFirst` is called once, when events flow for the first time; `onReturn` each time after the engine was away. */
export async function watchEngine(
  engine: PodEngine,
  reconciler: Reconciler,
  ports: { clock: Clock; log: Log; onReturn?: () => void },
  signal: AbortSignal,
  onFirst: () => void = () => undefined,
): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  let isFirst = true;
  while (!signal.aborted) {
    try {
      await engine.watchDeaths(
        () => {
          retryMs = FIRST_RETRY_MS;
          if (isFirst) onFirst();
          else {
            ports.onReturn?.();
            // Deaths between two streams were told to nobody.
            void reconciler.fullPass();
          }
          isFirst = false;
        },
        (death) => reconciler.podDied(death),
        signal,
      );
      if (!signal.aborted) reconciler.engineLost('its event stream ended');
    } catch (fault) {
      if (signal.aborted) return;
      ports.log.warn({ fault: explain(fault) }, 'events of the engine cannot be followed');
      reconciler.engineLost(explain(fault));
    }
    try {
      await wait(ports.clock, retryMs, signal);
    } catch {
      return;
    }
    retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
  }
}
