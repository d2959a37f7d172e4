/** Alpha in dollars: the higher of spot price and 24-hour mean where emission pays with it, the lower where somebody burned it, so that no jump of the price pays. */

import { larger, lesser } from './parts-per-million.ts';

const RAO_PER_ALPHA = 1_000_000_000n;

/** Prices of one alpha in micro-dollars at a finalised block. */
export interface AlphaPrice {
  spotMicroUsd: bigint;
  dayMeanMicroUsd: bigint;
}

/** What alpha is worth that miners get in an epoch. */
export function potMicroUsd(minerAlphaRao: bigint, price: AlphaPrice): bigint {
  return (minerAlphaRao * larger(price.spotMicroUsd, price.dayMeanMicroUsd)) / RAO_PER_ALPHA;
}

/** What burned alpha counts for. */
export function burnedMicroUsd(alphaRao: bigint, price: AlphaPrice): bigint {
  return (alphaRao * lesser(price.spotMicroUsd, price.dayMeanMicroUsd)) / RAO_PER_ALPHA;
}
