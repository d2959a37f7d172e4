/** A barrier of the network at one validator: its machines are made ready a few at a time, held, and started together at its second. */

import { BARRIER_SPREAD_MS } from '@celium/domain';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import type { NetworkBarrier } from '../epoch/barrier-keeper.ts';
import type { ValidatorClock } from '../ports.ts';
import { Lanes } from './lanes.ts';
import { pause } from './pause.ts';

/** One machine's part in a barrier. */
export interface BarrierStart extends NetworkBarrier {
  /** To be called when all units of the machine are ready: the next machine may be prepared. */
  ready(): void;
  /** Set when the machine was not ready in time and has to be checked alone. */
  missed: boolean;
}

/** Machines that one validator takes to a barrier at most, and those that are made ready at the same time. */
export const MAX_BARRIER_MACHINES = 256;
const PREPARED_AT_ONCE = 32;
/** Nothing new is prepared in the last seconds before the second: it would only come late. */
const LAST_START_MS = 3_000;

/**
 * What every unit of one machine awaits before its start: one wait for all of them, so that they go on in the same turn of the event loop.
 * Rejects when the second is over by more than the spread of a barrier; then the machine has missed it.
 */
export function awaitSecond(clock: ValidatorClock, start: BarrierStart, signal: AbortSignal): () => Promise<void> {
  let wait: Promise<void> | undefined;
  const once = async (): Promise<void> => {
    start.ready();
    const leftMs = start.momentMs - clock.unixMs();
    if (leftMs > 0) await pause(clock, leftMs, signal);
    start.missed = clock.unixMs() > start.momentMs + BARRIER_SPREAD_MS;
    if (start.missed) throw new Error('the second of the barrier is over');
  };
  return () => (wait ??= once());
}

/**
 * Checks machines at a barrier's second, as many as one validator may hold. Resolves when all of these checks are over.
 *
 * @param check must not reject
 */
export async function runBarrier(
  clock: ValidatorClock,
  barrier: NetworkBarrier,
  machines: readonly KnownMachine[],
  check: (known: KnownMachine, start: BarrierStart) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const lanes = new Lanes(PREPARED_AT_ONCE);
  await Promise.all(
    machines.slice(0, MAX_BARRIER_MACHINES).map(async (known) => {
      const giveBack = await lanes.take();
      if (!signal.aborted && clock.unixMs() < barrier.momentMs - LAST_START_MS)
        await check(known, { ...barrier, ready: giveBack, missed: false });
      giveBack();
    }),
  );
}
