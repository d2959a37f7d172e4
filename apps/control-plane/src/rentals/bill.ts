/** The bill as data: billable and free seconds add up to the rental's whole time, and every free second has a reason. */
import type { MeterState, Rental } from '@celium/domain';

export interface FreeTime {
  seconds: number;
  reason: string;
}

/** What the bill needs of a rental; times in unix milliseconds. */
export interface BilledTime {
  createdAtMs: number;
  rental: Rental;
  endedAtMs: number | null;
  /** When it began to stop, if it did. */
  stoppingAtMs: number | null;
  meter: MeterState;
}

/** Seconds that cost nothing, with reasons, up to `nowMs` or the end. */
export function freeTime(time: BilledTime, nowMs: number): FreeTime[] {
  const endMs = time.endedAtMs ?? nowMs;
  const { readyAtMs } = time.rental;
  const found: FreeTime[] = [];
  const add = (ms: number, reason: string): void => {
    if (ms > 0) found.push({ seconds: ms / 1_000, reason });
  };
  if (readyAtMs === null) {
    add(endMs - time.createdAtMs, 'never ready');
    return found;
  }
  add(readyAtMs - time.createdAtMs, 'starting');
  const stopMs = Math.min(Math.max(time.stoppingAtMs ?? endMs, readyAtMs), endMs);
  add(endMs - stopMs, 'stopping');
  // One outage is seen by both witnesses: each cause is counted only as far as free time is left for it.
  let left = stopMs - readyAtMs - time.meter.billableMs;
  const take = (ms: number, reason: string): void => {
    const taken = Math.min(ms, Math.max(left, 0));
    left -= taken;
    add(taken, reason);
  };
  take(time.meter.freeMs.marketAway, 'the market was away (it pays the provider)');
  take(time.meter.freeMs.agentSilent, 'the machine’s agent was silent');
  take(time.meter.freeMs.unreachable, 'the pod could not be reached');
  take(left, time.endedAtMs === null ? 'not yet seen by both witnesses' : 'not seen by both witnesses');
  return found;
}
