/** Makes the checks before hand-overs: at once after the commit that wants one, and again by whoever finds its claim run out. */
import type { Signed } from '@celium/contract';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { startWorkerLoop } from '../worker-loop.ts';
import {
  addHandOver,
  claimHandOvers,
  giveBackHandOver,
  keepHandOver,
  takeHandOver,
  type HandOverClaim,
} from './hand-overs.store.ts';

const POLL_INTERVAL_MS = 1_000;
/** A claim outlives its owner by this at the most; it is kept up while the check lasts. */
const CLAIM_MS = 6_000;
const KEEP_INTERVAL_MS = 2_000;
/** Checks of one replica at a time. */
const MOST_AT_ONCE = 64;

/** What rentals need of these checks. */
export interface HandOvers {
  /** Writes the check of a rental that is being made; it begins as soon as `tx` is committed. */
  write(tx: Tx, rentalId: string, request: Signed<'lease-request'>): Promise<void>;
  /** Ends it, whoever makes it, and answers the lease request that waited for it; null when there is none. */
  close(tx: Tx, rentalId: string): Promise<Signed<'lease-request'> | null>;
}

export interface HandOverWorkerParts {
  database: MarketDatabase;
  ports: MarketPorts;
  /** Makes the check of a rental and says what came of it; returns at once when the signal fires. It may be made twice. */
  check(rentalId: string, signal: AbortSignal): Promise<void>;
}

export function openHandOvers(parts: HandOverWorkerParts): HandOvers & { stop(): Promise<void> } {
  const { database, ports } = parts;
  const { clock, log } = ports;
  const underWay = new Map<string, { stop: AbortController; work: Promise<void> }>();
  let stopped = false;

  const keep = async (claim: HandOverClaim, stop: AbortController): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(KEEP_INTERVAL_MS, stop.signal);
      if (stop.signal.aborted) return;
      const isOurs = await keepHandOver(database.db, claim, clock.now() + CLAIM_MS).catch(() => true);
      if (!isOurs) stop.abort();
    }
  };
  const make = async (claim: HandOverClaim, stop: AbortController): Promise<void> => {
    const keeping = keep(claim, stop);
    try {
      await parts.check(claim.rentalId, stop.signal);
    } catch (fault) {
      log.error({ err: fault, rentalId: claim.rentalId }, 'a check before a hand-over failed; it is tried again');
      // The claim is kept until the next look: what failed at once is not tried in a circle.
      await clock.sleep(POLL_INTERVAL_MS, stop.signal);
    } finally {
      stop.abort();
      await keeping;
      await giveBackHandOver(database.db, claim);
    }
  };
  const start = (claim: HandOverClaim): void => {
    if (stopped || underWay.has(claim.rentalId)) return;
    const stop = new AbortController();
    const work = make(claim, stop)
      .catch((fault: unknown) => log.error({ err: fault, rentalId: claim.rentalId }, 'a claim could not be given back'))
      .finally(() => underWay.delete(claim.rentalId));
    underWay.set(claim.rentalId, { stop, work });
  };
  const loop = startWorkerLoop({ name: 'hand-overs', intervalMs: POLL_INTERVAL_MS, clock, log }, async () => {
    const room = MOST_AT_ONCE - underWay.size;
    if (room <= 0) return false;
    const claims = await claimHandOvers(database.db, clock.now(), CLAIM_MS, room, [...underWay.keys()]);
    for (const claim of claims) start(claim);
    return false;
  });
  return {
    write: async (tx, rentalId, request) => {
      const hasRoom = underWay.size < MOST_AT_ONCE;
      const claim = await addHandOver(tx, rentalId, request, hasRoom ? clock.now() + CLAIM_MS : null);
      if (hasRoom) tx.afterCommit(() => start(claim));
    },
    close: async (tx, rentalId) => {
      const request = await takeHandOver(tx, rentalId);
      tx.afterCommit(() => underWay.get(rentalId)?.stop.abort());
      return request;
    },
    stop: async () => {
      stopped = true;
      await loop.stop();
      for (const { stop } of underWay.values()) stop.abort();
      await Promise.all([...underWay.values()].map(({ work }) => work));
    },
  };
}
