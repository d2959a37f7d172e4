/** The golden example of an incentive policy: the constants at launch, with the classes of the reference simulation. */
import type { IncentivePolicyDocument } from '@celium/contract';

/** A policy for four classes. */
export function incentivePolicyExample(issuedAtMs: number): IncentivePolicyDocument {
  const classes = [
    { gpuClass: 'RTX4090', reserveUnits: 500, anchorMicroUsdPerHour: '350000' },
    { gpuClass: 'H100', reserveUnits: 80, anchorMicroUsdPerHour: '2000000' },
    { gpuClass: 'H200', reserveUnits: 50, anchorMicroUsdPerHour: '2500000' },
    { gpuClass: 'B200', reserveUnits: 10, anchorMicroUsdPerHour: '4500000' },
  ];
  return {
    netuid: 51,
    serial: 1,
    issuedAtMs,
    fromEpoch: 12,
    feePpm: 100_000,
    kappaPpm: 800_000,
    baseCapPpm: 200_000,
    baseOfPricePpm: 350_000,
    filterDivisor: 4,
    rentalShare: 'cash',
    feeds: ['first', 'second', 'third'],
    minimumFeeds: 3,
    priceChangePpmPerHour: 20_000,
    reserveChangePpmPerEpoch: 10_000,
    classes,
  };
}
