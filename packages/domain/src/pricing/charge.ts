/** What seconds cost: pure integer arithmetic in micro-dollars, rounded once per rental and always in the renter's favour. */

/** One dollar in micro-dollars. */
export const MICRO_USD_PER_USD = 1_000_000n;

const MS_PER_HOUR = 3_600_000n;

/** The loop fee at launch, in basis points of what the renter is charged (reference economics, A3: 10 %). */
export const LOOP_FEE_BASIS_POINTS = 1_000n;

/**
 * What a rental has cost in all after `billableMs` milliseconds at `priceMicroUsdPerHour`.
 *
 * Rounded down, so a rental as a whole is charged at most one micro-dollar too little and never too much.
 */
export function totalChargeMicroUsd(billableMs: bigint, priceMicroUsdPerHour: bigint): bigint {
  if (billableMs < 0n) throw new RangeError('billableMs is negative: a meter only grows');
  if (priceMicroUsdPerHour < 0n)
    throw new RangeError('priceMicroUsdPerHour is negative: an offer has a price of at least 0');
  return (billableMs * priceMicroUsdPerHour) / MS_PER_HOUR;
}

/** What is still to charge when `chargedMicroUsd` of the total have been charged before; never negative. */
export function dueMicroUsd(billableMs: bigint, priceMicroUsdPerHour: bigint, chargedMicroUsd: bigint): bigint {
  const due = totalChargeMicroUsd(billableMs, priceMicroUsdPerHour) - chargedMicroUsd;
  return due > 0n ? due : 0n;
}

/** The two shares of one rental's charges so far: the fee is rounded down, the provider has the rest, and both add up. */
export function splitCharge(
  chargedMicroUsd: bigint,
  feeBasisPoints: bigint = LOOP_FEE_BASIS_POINTS,
): { providerMicroUsd: bigint; feeMicroUsd: bigint } {
  const feeMicroUsd = (chargedMicroUsd * feeBasisPoints) / 10_000n;
  return { providerMicroUsd: chargedMicroUsd - feeMicroUsd, feeMicroUsd };
}

/** The money to set aside for `committedMs` milliseconds, rounded up so that it always covers them. */
export function holdMicroUsd(committedMs: bigint, priceMicroUsdPerHour: bigint): bigint {
  return (committedMs * priceMicroUsdPerHour + MS_PER_HOUR - 1n) / MS_PER_HOUR;
}

/** How long `heldMicroUsd` pays for, in milliseconds, rounded down; `null` when the price is zero (for ever). */
export function coveredMs(heldMicroUsd: bigint, priceMicroUsdPerHour: bigint): bigint | null {
  return priceMicroUsdPerHour === 0n ? null : (heldMicroUsd * MS_PER_HOUR) / priceMicroUsdPerHour;
}
