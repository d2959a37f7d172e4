/** How much strangers may ask of the API: the loop that answers is the loop that reads the clock of challenges, and its stalls excuse who is late. */

import type { ProofClock } from '@celium/proof';

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Tokens of one address and of all together: what they have at once, and what comes back in a second. A page of receipts or a signature costs ten. */
export const BUDGET = {
  address: { burst: 300, perSecond: 100 },
  everybody: { burst: 900, perSecond: 300 },
} as const;
const MAX_ADDRESSES = 10_000;

/** Token buckets: one for each address and one for everybody. */
export class RequestBudget {
  readonly #clock: Pick<ProofClock, 'nowMs'>;
  /** The least recently seen address first. */
  readonly #addresses = new Map<string, Bucket>();
  #everybody: Bucket;

  constructor(clock: Pick<ProofClock, 'nowMs'>) {
    this.#clock = clock;
    this.#everybody = { tokens: BUDGET.everybody.burst, atMs: clock.nowMs() };
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#addresses.size;
  }

  /** Takes what a request costs; false when its address, or everybody together, has not got it left. */
  take(address: string, cost: number): boolean {
    const nowMs = this.#clock.nowMs();
    const all = refilled(this.#everybody, BUDGET.everybody, nowMs);
    const own = refilled(this.#addresses.get(address), BUDGET.address, nowMs);
    const ok = own.tokens >= cost && all.tokens >= cost;
    if (ok) {
      own.tokens -= cost;
      all.tokens -= cost;
    }
    this.#everybody = all;
    this.#addresses.delete(address);
    const oldest = this.#addresses.size >= MAX_ADDRESSES ? this.#addresses.keys().next().value : undefined;
    if (oldest !== undefined) this.#addresses.delete(oldest);
    this.#addresses.set(address, own);
    return ok;
  }
}

function refilled(bucket: Bucket | undefined, rule: { burst: number; perSecond: number }, nowMs: number): Bucket {
  if (bucket === undefined) return { tokens: rule.burst, atMs: nowMs };
  const tokens = bucket.tokens + ((nowMs - bucket.atMs) * rule.perSecond) / 1_000;
  return { tokens: Math.min(rule.burst, tokens), atMs: nowMs };
}
