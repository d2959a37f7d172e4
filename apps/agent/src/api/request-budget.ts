/** How many requests one address may make: checking a signature costs milliseconds, and leases must not wait for strangers. */
import type { Clock } from '../clock.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

const PER_SECOND = 50;
const BURST = 200;
const MAX_ADDRESSES = 10_000;

/** A token bucket per address: 200 at once, 50 a second after that. */
export class RequestBudget {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one request of an address; false when it has none left. */
  take(address: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#buckets.get(address);
    const refilled = known === undefined ? BURST : known.tokens + ((nowMs - known.atMs) * PER_SECOND) / 1_000;
    const tokens = Math.min(BURST, refilled);
    // The least recently seen address is forgotten first; it would have its burst back soon anyway.
    this.#buckets.delete(address);
    const oldest = this.#buckets.size >= MAX_ADDRESSES ? this.#buckets.keys().next().value : undefined;
    if (oldest !== undefined) this.#buckets.delete(oldest);
    this.#buckets.set(address, { tokens: tokens >= 1 ? tokens - 1 : tokens, atMs: nowMs });
    return tokens >= 1;
  }
}
