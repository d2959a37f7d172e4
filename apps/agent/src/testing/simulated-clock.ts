/** A clock that stands still until it is told to go on: wall clock and monotonic clock move together, unless the wall clock is set. */
import type { CancelTimer, Clock } from '../clock.ts';

interface Timer {
  atMs: number;
  act: () => void;
}

const QUIET_TURNS = 20;

export class SimulatedClock implements Clock {
  #wallMs = Date.UTC(2026, 10, 23);
  #monotonicMs = 1_000_000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, act: () => void): CancelTimer {
    const timer = { atMs: this.#monotonicMs + Math.max(0, delayMs), act };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Sets the wall clock wrong; durations do not change. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  /** Lets time go by; whatever it wakes runs before this returns. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      this.#moveTo(due === undefined ? untilMs : Math.max(due.atMs, this.#monotonicMs));
      if (due === undefined) return;
      this.#timers.delete(due);
      due.act();
      await settle();
    }
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** Lets everything that is ready to run do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < QUIET_TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
