/** A clock for tests: it runs with the real one, and can be moved on; whoever sleeps until then wakes. */
import type { MarketMoment } from '@celium/domain';
import type { Clock } from '../ports.ts';

interface Sleeper {
  untilMs: number;
  wake(): void;
}

export class TestClock implements Clock {
  #aheadMs = 0;
  #sleepers = new Set<Sleeper>();
  bootId = 'test-boot';

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  moment(): MarketMoment {
    return { bootId: this.bootId, atMs: Math.floor(performance.now()) + 1_000_000 + this.#aheadMs };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#sleepers.delete(sleeper);
        resolve();
      };
      const sleeper: Sleeper = { untilMs: this.moment().atMs + ms, wake: done };
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', done, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** Moves the clock on, and wakes who has slept long enough by then. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    const { atMs } = this.moment();
    for (const sleeper of this.#sleepers) if (sleeper.untilMs <= atMs) sleeper.wake();
  }
}
