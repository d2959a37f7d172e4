/** The incentive policy: the constants of rates, as the subnet's owner signs them. A reader refuses any other signer, and constants outside the domain's bounds. */

import type { IncentivePolicy } from '@celium/domain';
import { z } from 'zod';
import { amount, unixMs } from '../fields.ts';

/** Names a GPU class: what proofs measure, never what hosts claim. */
const gpuClass = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$/, 'the name of a GPU class');
/** A ratio in millionths. */
const ppm = z.int().min(0).max(1_000_000);

/** Ratios are millionths, money is micro-dollars. Meanings and bounds: `IncentivePolicy` and `POLICY_BOUNDS` of the domain. */
export const incentivePolicyBody = z.looseObject({
  netuid: z.int().min(0).max(65_535),
  /** Grows with each version; of two with one number the reader keeps the first, and says so. */
  serial: z.int().min(1),
  issuedAtMs: unixMs,
  /** The first epoch that it counts for. Policies take effect at an epoch's start, never inside one. */
  fromEpoch: z.int().min(0),
  feePpm: ppm,
  kappaPpm: ppm,
  baseCapPpm: ppm,
  baseOfPricePpm: ppm,
  filterDivisor: z.int().min(1).max(1_000),
  rentalShare: z.enum(['cash', 'emission']),
  /** Names of the feeds whose readings count. */
  feeds: z.array(z.string().min(1).max(64)).max(32),
  minimumFeeds: z.int().min(0).max(32),
  priceChangePpmPerHour: ppm,
  reserveChangePpmPerEpoch: ppm,
  classes: z
    .array(z.looseObject({ gpuClass, reserveUnits: z.int().min(0).max(10_000_000), anchorMicroUsdPerHour: amount }))
    .max(200),
});

export type IncentivePolicyDocument = z.infer<typeof incentivePolicyBody>;

/** The constants of a document as the engine takes them. */
export function policyOfDocument(body: IncentivePolicyDocument): IncentivePolicy {
  return {
    feePpm: BigInt(body.feePpm),
    kappaPpm: BigInt(body.kappaPpm),
    baseCapPpm: BigInt(body.baseCapPpm),
    baseOfPricePpm: BigInt(body.baseOfPricePpm),
    filterDivisor: BigInt(body.filterDivisor),
    rentalShare: body.rentalShare,
    minimumFeeds: body.minimumFeeds,
    priceChangePpmPerHour: BigInt(body.priceChangePpmPerHour),
    reserveChangePpmPerEpoch: BigInt(body.reserveChangePpmPerEpoch),
    classes: body.classes.map((own) => ({
      gpuClass: own.gpuClass,
      reserveUnits: BigInt(own.reserveUnits),
      anchorMicroUsdPerHour: BigInt(own.anchorMicroUsdPerHour),
    })),
  };
}
