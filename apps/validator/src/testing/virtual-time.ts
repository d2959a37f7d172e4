/** A validator's clock for tests whose time passes only while everybody waits: days cost nothing, and nothing depends on the machine's speed. */

import type { ValidatorClock } from '../ports.ts';

interface Timer {
  atMs: number;
  /** Null once it was cancelled. */
  fire: (() => void) | null;
}

/** A clock that starts at 0 and at `unixStartMs`, and moves only inside `run`. */
export class VirtualTime implements ValidatorClock {
  readonly #unixStartMs: number;
  /** By time, the latest first; of one time the one that was set first comes last, so that it is taken first. */
  #timers: Timer[] = [];
  #cancelled = 0;
  #nowMs = 0;

  constructor(unixStartMs = 1_790_000_000_000) {
    this.#unixStartMs = unixStartMs;
  }

  readonly nowMs = (): number => this.#nowMs;
  readonly unixMs = (): number => this.#unixStartMs + Math.floor(this.#nowMs);
  readonly setTimer = (delayMs: number, fire: () => void): (() => void) => {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), fire };
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#timers[middle] as Timer).atMs > timer.atMs) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      if (timer.fire === null) return;
      timer.fire = null;
      this.#cancelled += 1;
      if (this.#cancelled * 2 > this.#timers.length) this.#sweep();
    };
  };

  /** Fires timers in the order of their time until `isOver`, whenever no other work is left; throws when there is nothing to wait for. */
  async run(isOver: () => boolean): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isOver()) return;
      this.#sweep();
      const next = this.#timers.pop();
      if (next === undefined) throw new Error('everybody waits, and for nothing');
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      const { fire } = next;
      next.fire = null;
      fire?.();
    }
  }

  /** Lets go of cancelled timers: all of them once they are many, else those that would be next. */
  #sweep(): void {
    if (this.#cancelled * 2 > this.#timers.length) {
      this.#timers = this.#timers.filter((timer) => timer.fire !== null);
      this.#cancelled = 0;
    }
    while (this.#timers.at(-1)?.fire === null) {
      this.#timers.pop();
      this.#cancelled -= 1;
    }
  }
}
