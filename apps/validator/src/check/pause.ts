/** Waiting on the injected clock, cut short by a signal. */

import type { ProofClock } from '@celium/proof';

/** Resolves after `delayMs`, or at once when `signal` aborts; never rejects. */
export function pause(clock: Pick<ProofClock, 'setTimer'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const end = (): void => {
      cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const cancel = clock.setTimer(delayMs, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
