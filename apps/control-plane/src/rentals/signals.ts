/** Tells who waits that a rental has changed: in this process at once, from other replicas by NOTIFY. A hint only; the row is the truth. */

/** The channel on which state changes are notified; the payload is the rental's id. */
export const RENTAL_CHANNEL = 'celium_rental';

export class RentalSignals {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Wakes everyone who waits for this rental. */
  emit(rentalId: string): void {
    const waiters = this.#waiting.get(rentalId);
    this.#waiting.delete(rentalId);
    for (const wake of waiters ?? []) wake();
  }

  /** Begins to listen now; `wait` resolves at the next change, after `ms`, or when the signal fires. */
  next(rentalId: string): { wait(ms: number, signal: AbortSignal): Promise<void>; cancel(): void } {
    let changed = false;
    let onChange = (): void => undefined;
    const wake = (): void => {
      changed = true;
      onChange();
    };
    const waiters = this.#waiting.get(rentalId) ?? new Set();
    waiters.add(wake);
    this.#waiting.set(rentalId, waiters);
    const cancel = (): void => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiting.get(rentalId) === waiters) this.#waiting.delete(rentalId);
    };
    const wait = (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        if (changed || signal.aborted) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          cancel();
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        onChange = done;
      });
    return { wait, cancel };
  }
}
