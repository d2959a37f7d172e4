/** Routes of rentals: rent, look, wait, stop, bill, logs. */
import { CeliumError } from '@celium/contract';
import type { RentalState } from '@celium/domain';
import { accountOf, type Handlers } from '../http/handlers.ts';
import type { RentalParts, RentalRow } from './parts.ts';
import { rent } from './rent.flow.ts';
import { ownRental } from './rentals.flow.ts';
import { listRentals } from './rentals.store.ts';
import { lookBeforeStop, stopForRenter, type LastProbe } from './stop.flow.ts';
import { showBill, showNewRental, showRental, showRentals } from './views.store.ts';

const LOGS_TIMEOUT_MS = 10_000;
/** While waiting for a change the row is looked at this often, in case that nobody told. */
const WAIT_LOOK_MS = 2_000;

const ORDER: readonly RentalState[] = ['reserved', 'starting', 'running', 'stopping', 'ended'];

/** @param lastProbe what a probe right before a stop saw; the meter counts up to it */
export function rentalRoutes(
  parts: RentalParts,
  lastProbe: LastProbe,
): Pick<Handlers, 'createRental' | 'listRentals' | 'getRental' | 'stopRental' | 'getBill' | 'getLogs'> {
  const { database, ports } = parts;
  return {
    createRental: async (call) =>
      call.once(async (tx) => {
        const rented = await rent(parts, tx, accountOf(call), call.body);
        return showNewRental(rented, ports.clock.now());
      }),
    listRentals: async (call) => {
      const filter = { all: call.query.all === 'true', limit: call.query.limit };
      const rows = await listRentals(database.db, accountOf(call), filter);
      return { rentals: await showRentals(database.db, rows, ports.clock.now()) };
    },
    getRental: async (call) => {
      const { waitFor, waitMs } = call.query;
      const read = async (): Promise<RentalRow> => ownRental(parts, accountOf(call), call.params.rentalId);
      const row =
        waitFor === undefined
          ? await read()
          : await waitUntil(parts, call.params.rentalId, read, { state: waitFor, waitMs, signal: call.signal });
      return showRental(database.db, row, ports.clock.now());
    },
    stopRental: async (call) => {
      const row = await ownRental(parts, accountOf(call), call.params.rentalId);
      const look = await lookBeforeStop(lastProbe, row);
      return call.once(async (tx) => {
        const stopped = await stopForRenter(parts, tx, row.rentalId, look);
        return showRental(tx.db, stopped, ports.clock.now());
      });
    },
    getBill: async (call) => {
      const row = await ownRental(parts, accountOf(call), call.params.rentalId);
      return showBill(database.db, row, ports.clock.now());
    },
    getLogs: async (call) => {
      const row = await ownRental(parts, accountOf(call), call.params.rentalId);
      if (row.leaseId === null) throw new CeliumError('CONFLICT', 'the pod has not been made yet');
      if (row.rental.state === 'ended') throw new CeliumError('RENTAL_ENDED', 'the pod is gone, and its log with it');
      const query = { queryId: ports.randomness.uuid(), leaseId: row.leaseId, tailLines: call.query.tail };
      return { text: await parts.links.queryLogs(row.machineKey, query, LOGS_TIMEOUT_MS) };
    },
  };
}

async function waitUntil(
  parts: RentalParts,
  rentalId: string,
  read: () => Promise<RentalRow>,
  wanted: { state: RentalState; waitMs: number; signal: AbortSignal },
): Promise<RentalRow> {
  const { clock } = parts.ports;
  const deadlineMs = clock.moment().atMs + wanted.waitMs;
  for (;;) {
    // Listening begins before the look, so that no change falls between them.
    const change = parts.signals.next(rentalId);
    try {
      const row = await read();
      const leftMs = deadlineMs - clock.moment().atMs;
      const isReached = ORDER.indexOf(row.rental.state) >= ORDER.indexOf(wanted.state);
      if (isReached || leftMs <= 0 || wanted.signal.aborted) return row;
      await change.wait(Math.min(leftMs, WAIT_LOOK_MS), wanted.signal);
    } finally {
      change.cancel();
    }
  }
}
