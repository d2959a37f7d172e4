/** The market's public log: what is published of whom, the chain, and its signed head. Renters appear under pseudonyms only. */
import { createHmac } from 'node:crypto';
import type { LogEntry, Signed } from '@celium/contract';
import { signDocument } from '@celium/chain';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { startWorkerLoop, type WorkerLoop } from '../worker-loop.ts';
import { chainPending, notePending, readEntries, readPosition } from './log.store.ts';

const CHAIN_INTERVAL_MS = 1_000;
const CHAIN_BATCH = 500;
/** Refused signatures published per minute: anyone can cause them, and the log is kept for ever. */
const MAX_REFUSALS_PER_MINUTE = 30;

export interface PublicLog {
  /** Publishes with the commit of `tx`. */
  publish(tx: Tx, kind: string, body: unknown): Promise<void>;
  /** Publishes a refused signature, outside any transaction, at most 30 a minute. */
  publishRefusal(body: unknown): void;
  /** The name of an account in the log: the same for one account, of no use outside. */
  pseudonym(accountId: string): string;
  read(from: number, limit: number): Promise<{ head: Signed<'log-head'> | null; entries: LogEntry[] }>;
  stop(): Promise<void>;
}

/** Opens the log and starts the worker that chains its entries. @param secret of the pseudonyms */
export function openPublicLog(database: MarketDatabase, ports: MarketPorts, secret: string): PublicLog {
  const { clock, log, key } = ports;
  const chain: WorkerLoop = startWorkerLoop({ name: 'log', intervalMs: CHAIN_INTERVAL_MS, clock, log }, async () => {
    const done = await database.transaction((tx) => chainPending(tx, CHAIN_BATCH));
    return done === CHAIN_BATCH;
  });
  let head: Signed<'log-head'> | null = null;
  let minute = 0;
  let refusals = 0;
  const publish = async (tx: Tx, kind: string, body: unknown): Promise<void> => {
    await notePending(tx, kind, body, clock.now());
    tx.afterCommit(() => chain.wake());
  };
  return {
    publish,
    publishRefusal: (body) => {
      const now = Math.floor(clock.now() / 60_000);
      refusals = now === minute ? refusals + 1 : 1;
      minute = now;
      if (refusals > MAX_REFUSALS_PER_MINUTE) return;
      database
        .transaction((tx) => publish(tx, 'refused-signature', body))
        .catch((fault: unknown) => log.error({ err: fault }, 'a refused signature could not be logged'));
    },
    pseudonym: (accountId) =>
      createHmac('sha256', secret).update(`celium/renter\n${accountId}`).digest('hex').slice(0, 32),
    read: async (from, limit) => {
      const { position, entries } = await database.transaction(async (tx) => ({
        position: await readPosition(tx.db),
        entries: await readEntries(tx.db, from, limit),
      }));
      if (position.height === 0) return { head: null, entries };
      if (head?.body.height !== position.height) {
        const body = { height: position.height, hash: position.hash, atMs: clock.now() };
        head = await signDocument('log-head', body, key);
      }
      return { head, entries: entries.filter((entry) => entry.seq <= position.height) };
    },
    stop: () => chain.stop(),
  };
}
