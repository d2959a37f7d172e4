/** What happens by the clock: settlement each minute, deadlines each second, renewals of terms. One replica does each at a time. */
import { SETTLEMENT_INTERVAL_MS } from '@celium/domain';
import { CeliumError } from '@celium/contract';
import { startWorkerLoop, type WorkerLoop } from '../worker-loop.ts';
import { renewTerms } from './commands.flow.ts';
import type { RentalParts } from './parts.ts';
import { takeStep, type RentalStep } from './rentals.flow.ts';
import { listOverdue, listRunning } from './rentals.store.ts';

const LOOK_INTERVAL_MS = 1_000;
const RENEW_INTERVAL_MS = 60_000;

export interface ClockworkParts {
  rentals: RentalParts;
  claimTick(name: string, periodMs: number): Promise<boolean>;
  /** Ends a rental for which there is no more money. */
  stopExhausted(rentalId: string): Promise<void>;
}

export function startClockwork(parts: ClockworkParts): WorkerLoop {
  const { rentals } = parts;
  const { clock, log } = rentals.ports;
  return startWorkerLoop({ name: 'clockwork', intervalMs: LOOK_INTERVAL_MS, clock, log }, async () => {
    for (const rentalId of await listOverdue(rentals.database.db, clock.now())) {
      await stepSafely(rentals, rentalId, { command: { type: 'tick' } });
    }
    if (await parts.claimTick('settle', SETTLEMENT_INTERVAL_MS)) await settleAll(parts);
    if (await parts.claimTick('renew', RENEW_INTERVAL_MS)) await renewTerms(rentals);
    return false;
  });
}

/** Settles every running rental, each in its own transaction, and ends those without money. */
export async function settleAll(parts: ClockworkParts): Promise<void> {
  for (const rentalId of await listRunning(parts.rentals.database.db)) {
    const exhausted = await stepSafely(parts.rentals, rentalId, { settle: true });
    if (exhausted) await parts.stopExhausted(rentalId);
  }
}

/** Takes a step; a fault with one rental is logged and does not keep the others waiting. */
async function stepSafely(rentals: RentalParts, rentalId: string, step: RentalStep): Promise<boolean> {
  try {
    return (await takeStep(rentals, rentalId, step)).exhausted;
  } catch (fault) {
    if (fault instanceof CeliumError && fault.code === 'DATABASE_UNAVAILABLE') throw fault;
    rentals.ports.log.error({ err: fault, rentalId }, 'a rental could not be moved by the clock');
    return false;
  }
}
