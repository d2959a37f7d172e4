/**
 * Demand over time: counted revenue flows into a reservoir per class, and a fixed part of it flows out each epoch. That is a linear filter with a
 * gain of exactly one: over any time no more flows out than flowed in, so no timing of pretended rentals pays. A limit on steps would break that.
 */

import { PPM } from './parts-per-million.ts';

/** One class's reservoir before and after an epoch, micro-dollars. */
export interface Smoothed {
  /** Counted revenue of the epoch less what was withdrawn in it (refunds, decoys disclosed late). */
  inflowMicroUsd: bigint;
  /** What flowed out: the smoothed demand of this epoch. */
  smoothedMicroUsd: bigint;
  /** What waits for later epochs; negative while more was withdrawn than waited. */
  reservoirMicroUsd: bigint;
}

/** Lets one epoch's counted revenue in and the `filterDivisor`-th part out, rounded down. */
export function smoothDemand(
  reservoirMicroUsd: bigint,
  countedMicroUsd: bigint,
  withdrawnMicroUsd: bigint,
  filterDivisor: bigint,
): Smoothed {
  if (countedMicroUsd < 0n || withdrawnMicroUsd < 0n)
    throw new RangeError('demand is counted and withdrawn, never negative');
  const inflowMicroUsd = countedMicroUsd - withdrawnMicroUsd;
  const full = reservoirMicroUsd + inflowMicroUsd;
  const smoothedMicroUsd = full > 0n ? full / filterDivisor : 0n;
  return { inflowMicroUsd, smoothedMicroUsd, reservoirMicroUsd: full - smoothedMicroUsd };
}

/** A reserve target one epoch on: towards the policy's units in proportion to the reference price, by at most the policy's step, between half and twice the units. */
export function moveReserve(
  reserveUnitsPpm: bigint,
  target: { reserveUnits: bigint; anchorMicroUsdPerHour: bigint },
  referenceMicroUsdPerHour: bigint,
  changePpmPerEpoch: bigint,
): bigint {
  const whole = target.reserveUnits * PPM;
  const wanted = (whole * referenceMicroUsdPerHour) / target.anchorMicroUsdPerHour;
  const bounded = wanted < whole / 2n ? whole / 2n : wanted > whole * 2n ? whole * 2n : wanted;
  const step = (reserveUnitsPpm * changePpmPerEpoch) / PPM;
  if (bounded > reserveUnitsPpm + step) return reserveUnitsPpm + step;
  return bounded < reserveUnitsPpm - step ? reserveUnitsPpm - step : bounded;
}
