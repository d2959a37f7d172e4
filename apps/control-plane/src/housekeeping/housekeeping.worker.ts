/** Notes that the market is alive, and forgets what nobody needs any more. */
import type { MarketMoment } from '@celium/domain';
import type { MarketDatabase, Queries } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import { startWorkerLoop } from '../worker-loop.ts';
import { claimTick, notePresence, readPresence } from './housekeeping.store.ts';

export { claimTick } from './housekeeping.store.ts';

const PRESENCE_INTERVAL_MS = 2_000;
const FORGET_INTERVAL_MS = 10 * 60_000;

/** How long no market was alive before `startedAt`, in the same boot of the host; null when that cannot be known. */
export async function readAbsence(db: Queries, startedAt: MarketMoment): Promise<number | null> {
  const aliveAtMs = await readPresence(db, startedAt.bootId);
  return aliveAtMs === null ? null : Math.max(0, startedAt.atMs - aliveAtMs);
}

/** @param forget each forgets what is past its time at `nowMs` */
export function startHousekeeping(
  database: MarketDatabase,
  ports: MarketPorts,
  forget: ReadonlyArray<(db: Queries, nowMs: number) => Promise<void>>,
): { stop(): Promise<void> } {
  const { clock, log } = ports;
  const loop = startWorkerLoop({ name: 'housekeeping', intervalMs: PRESENCE_INTERVAL_MS, clock, log }, async () => {
    await notePresence(database.db, clock.moment());
    if (await claimTick(database.db, 'forget', clock.now(), FORGET_INTERVAL_MS)) {
      for (const act of forget) await act(database.db, clock.now());
    }
    return false;
  });
  return {
    stop: async () => {
      await loop.stop();
      await notePresence(database.db, clock.moment());
    },
  };
}
