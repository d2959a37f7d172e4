/** How much of a renter's money a rental holds: enough that no outage and no late settlement makes a balance negative. */

import { coveredMs, holdMicroUsd } from './charge.ts';

/** The minutes that a hold covers ahead, in milliseconds: topped up to this at each settlement. */
export const HOLD_AHEAD_MS = 10n * 60_000n;
/** How often running rentals are settled, in milliseconds. */
export const SETTLEMENT_INTERVAL_MS = 60_000;
/**
 * A rental whose hold covers less than this after a settlement ends: one probe interval may be unwitnessed yet, one settlement
 * interval passes before the next look, and stopping takes a moment.
 */
export const HOLD_FLOOR_MS = 150_000n;

/** What a rental needs at its start, in micro-dollars. */
export function firstHoldMicroUsd(priceMicroUsdPerHour: bigint): bigint {
  return holdMicroUsd(HOLD_AHEAD_MS, priceMicroUsdPerHour);
}

/** After a settlement: what moves from the available balance to the hold, and whether the rental must end. */
export function fundRental(funds: { heldMicroUsd: bigint; availableMicroUsd: bigint; priceMicroUsdPerHour: bigint }): {
  topUpMicroUsd: bigint;
  exhausted: boolean;
} {
  const missing = firstHoldMicroUsd(funds.priceMicroUsdPerHour) - funds.heldMicroUsd;
  const wanted = missing > 0n ? missing : 0n;
  const topUpMicroUsd = wanted < funds.availableMicroUsd ? wanted : funds.availableMicroUsd;
  const covered = coveredMs(funds.heldMicroUsd + topUpMicroUsd, funds.priceMicroUsdPerHour);
  return { topUpMicroUsd, exhausted: covered !== null && covered < HOLD_FLOOR_MS };
}
