/** Runs jobs one after another, in the order in which they came. */
import { CeliumError } from '@celium/contract';

export class SerialQueue {
  readonly #maxWaiting: number;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** At most `maxWaiting` jobs wait; more are refused with `RATE_LIMITED`. */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#maxWaiting)
      throw new CeliumError('RATE_LIMITED', 'too many requests wait for this agent');
    this.#waiting += 1;
    const mine = this.#last.then(job, job);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }
}
