/** The four classes that the economy is played with, sized so that the market takes about $6,900 a day, as in the reference simulation. */
import { LAUNCH_CONSTANTS, type IncentivePolicy } from '@celium/domain';

/** Hours of an epoch: 360 blocks of 12 s. */
export const EPOCH_HOURS = 1.2;
export const EPOCH_MS = 4_320_000n;
/** What miners get in a day, dollars: assumed, as in the reference. */
export const POT_USD_PER_DAY = 30_000;
export const MICRO = 1_000_000;

/** One class of the model market. */
export interface ModelClass {
  gpuClass: string;
  /** The world's price before the shock, dollars per unit and hour. */
  priceUsd: number;
  /** Units that renters want on the average. */
  demandUnits: number;
  reserveUnits: number;
  /** Units of one host. */
  hostUnits: number;
  /** Hosts that exist and could offer this class. */
  hosts: number;
  /** The median of what a unit-hour costs its host, as part of the price; log-normal with a spread of 25 %. */
  costOfPrice: number;
  /** What the shock does to demand. */
  shock: number;
}

/** Hosts of H200 are so few and dear that without emission the class recovers as in the reference simulation: after 12 hours, 92 to 93 % filled meanwhile. */
export const CLASSES: readonly ModelClass[] = [
  {
    gpuClass: 'RTX4090',
    priceUsd: 0.25,
    demandUnits: 425,
    reserveUnits: 500,
    hostUnits: 4,
    hosts: 700,
    costOfPrice: 0.72,
    shock: 0.5,
  },
  {
    gpuClass: 'H100',
    priceUsd: 1.9,
    demandUnits: 40,
    reserveUnits: 50,
    hostUnits: 2,
    hosts: 150,
    costOfPrice: 0.72,
    shock: 1,
  },
  {
    gpuClass: 'H200',
    priceUsd: 2.5,
    demandUnits: 30,
    reserveUnits: 45,
    hostUnits: 2,
    hosts: 55,
    costOfPrice: 0.8,
    shock: 2.5,
  },
  {
    gpuClass: 'B200',
    priceUsd: 4.5,
    demandUnits: 6,
    reserveUnits: 9,
    hostUnits: 1,
    hosts: 40,
    costOfPrice: 0.72,
    shock: 1,
  },
];

/** The launch policy with these classes, and what a run changes of it. */
export function modelPolicy(changes: Partial<IncentivePolicy> = {}): IncentivePolicy {
  return {
    ...LAUNCH_CONSTANTS,
    classes: CLASSES.map(({ gpuClass, reserveUnits, priceUsd }) => ({
      gpuClass,
      reserveUnits: BigInt(reserveUnits),
      anchorMicroUsdPerHour: BigInt(Math.round(priceUsd * MICRO)),
    })),
    ...changes,
  };
}

/** Dollars as whole micro-dollars. */
export function microUsd(usd: number): bigint {
  return BigInt(Math.round(usd * MICRO));
}
