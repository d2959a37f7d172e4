/** The constants of the incentives, as the subnet's owner signs them, and the bounds that no owner may leave. */

import { PPM } from './parts-per-million.ts';

/** One GPU class that emission is paid for. */
export interface ClassPolicy {
  gpuClass: string;
  /** Units that are wanted in stock while the price is at its anchor; set by hand, never by our own rentals. */
  reserveUnits: bigint;
  /** The reference price before any feed has spoken, micro-dollars per unit and hour; the reserve is in proportion to it. */
  anchorMicroUsdPerHour: bigint;
}

/** Everything that the engine does not read from logs, chain or feeds. Ratios are millionths. */
export interface IncentivePolicy {
  /** The loop fee, of what a renter is charged. */
  feePpm: bigint;
  /** How much of a fee may come back as emission at most, whoever gets it: what keeps pretended rentals a loss. */
  kappaPpm: bigint;
  /** The most of the pot that may go to base pay. */
  baseCapPpm: bigint;
  /** The most of its reference price that an idle unit gets as base. */
  baseOfPricePpm: bigint;
  /** A class releases this part (one n-th) of what waits in its demand reservoir in an epoch. */
  filterDivisor: bigint;
  /** Whether providers get the rental share from the renter's cash, or from emission while the cash buys alpha that is burned. */
  rentalShare: 'cash' | 'emission';
  /** How many feeds have to speak before a reference price moves. */
  minimumFeeds: number;
  /** The most that a reference price moves in an hour. */
  priceChangePpmPerHour: bigint;
  /** The most that a reserve moves in an epoch. */
  reserveChangePpmPerEpoch: bigint;
  classes: readonly ClassPolicy[];
}

/** Bounds of every policy, whoever signed it: the promises that are made to providers and holders. */
export const POLICY_BOUNDS = {
  kappaPpm: 850_000n,
  feePpm: 500_000n,
  baseCapPpm: 200_000n,
  baseOfPricePpm: 700_000n,
  filterDivisor: 64n,
  minimumFeeds: 3,
  priceChangePpmPerHour: 20_000n,
  reserveChangePpmPerEpoch: 10_000n,
  classes: 200,
} as const;

/** The constants at launch (reference economics, A3), without classes. */
export const LAUNCH_CONSTANTS: Omit<IncentivePolicy, 'classes'> = {
  feePpm: 100_000n,
  kappaPpm: 800_000n,
  baseCapPpm: 200_000n,
  baseOfPricePpm: 350_000n,
  filterDivisor: 4n,
  rentalShare: 'cash',
  minimumFeeds: 3,
  priceChangePpmPerHour: 20_000n,
  reserveChangePpmPerEpoch: 10_000n,
};

/** What emission a dollar of counted revenue releases: kappa times the fee. */
export function slopePpm(policy: Pick<IncentivePolicy, 'feePpm' | 'kappaPpm'>): bigint {
  return (policy.kappaPpm * policy.feePpm) / PPM;
}

/** Why a policy may not be used, or null. A signature does not make a policy good. */
export function policyFault(policy: IncentivePolicy): string | null {
  const bounded = [
    'feePpm',
    'kappaPpm',
    'baseCapPpm',
    'baseOfPricePpm',
    'priceChangePpmPerHour',
    'reserveChangePpmPerEpoch',
  ] as const;
  for (const name of bounded) {
    if (policy[name] < 0n || policy[name] > POLICY_BOUNDS[name])
      return `${name} is ${policy[name]}: from 0 to ${POLICY_BOUNDS[name]}`;
  }
  if (policy.filterDivisor < 1n || policy.filterDivisor > POLICY_BOUNDS.filterDivisor)
    return `filterDivisor is ${policy.filterDivisor}: from 1 to ${POLICY_BOUNDS.filterDivisor}`;
  if (policy.minimumFeeds < POLICY_BOUNDS.minimumFeeds)
    return `minimumFeeds is ${policy.minimumFeeds}: at least ${POLICY_BOUNDS.minimumFeeds}`;
  if (policy.classes.length > POLICY_BOUNDS.classes)
    return `${policy.classes.length} classes: at most ${POLICY_BOUNDS.classes}`;
  const names = new Set<string>();
  for (const { gpuClass, reserveUnits, anchorMicroUsdPerHour } of policy.classes) {
    if (names.has(gpuClass)) return `class ${gpuClass} stands twice`;
    names.add(gpuClass);
    if (reserveUnits < 0n) return `reserveUnits of ${gpuClass} is negative`;
    if (anchorMicroUsdPerHour <= 0n) return `anchorMicroUsdPerHour of ${gpuClass} is not above 0`;
  }
  return null;
}
