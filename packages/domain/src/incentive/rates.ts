/**
 * What an epoch's emission is paid for: a rate per GPU class from counted demand, verified supply, reference price and reserve, then a line per
 * machine; what nobody earned burns. One pure computation in whole numbers, whose every intermediate figure has a name.
 */

import { smoothDemand } from './demand-filter.ts';
import { lesser, PPM } from './parts-per-million.ts';
import { slopePpm, type IncentivePolicy } from './policy.ts';

const MS_PER_HOUR = 3_600_000n;

/** Units of one class on one machine that hold a valid proof and belong to a registered hotkey. */
export interface SupplyLine {
  hotkey: string;
  machineKey: string;
  gpuClass: string;
  units: bigint;
  /** Pay reliability of these units, 0 to 1,000,000. */
  reliabilityPpm: bigint;
  /** False for units whose record costs them the base (reliability below its floor). */
  earnsBase: boolean;
}

/** What a machine is owed of its rentals, where the policy pays that from emission. */
export interface RentalShare {
  hotkey: string;
  machineKey: string;
  owedMicroUsd: bigint;
}

/** What one class brings into an epoch. */
export interface ClassInput {
  gpuClass: string;
  /** The limited median of the feeds, micro-dollars per unit and hour. */
  referenceMicroUsdPerHour: bigint;
  /** Units wanted in stock, in millionths of a unit. */
  reserveUnitsPpm: bigint;
  reservoirMicroUsd: bigint;
  countedMicroUsd: bigint;
  withdrawnMicroUsd: bigint;
}

export interface EpochInput {
  policy: IncentivePolicy;
  epochMs: bigint;
  /** What miners get in this epoch in all, burned part included, at the epoch's alpha price. */
  potMicroUsd: bigint;
  /** One for each class of the policy; others earn nothing. */
  classes: readonly ClassInput[];
  supply: readonly SupplyLine[];
  rentalShares: readonly RentalShare[];
}

/** One class's figures of an epoch, in the order in which they follow from each other. */
export interface ClassRate {
  gpuClass: string;
  referenceMicroUsdPerHour: bigint;
  /** Verified units. */
  supplyUnits: bigint;
  /** The same, each counted as far as it is reliable. */
  reliableUnitsPpm: bigint;
  /** Those of them that earn base. */
  baseUnitsPpm: bigint;
  reserveUnitsPpm: bigint;
  /** The part of its reference price that a reliable unit within the reserve gets as base. */
  basePpm: bigint;
  basePoolMicroUsd: bigint;
  inflowMicroUsd: bigint;
  smoothedMicroUsd: bigint;
  /** What waits for later epochs. */
  reservoirMicroUsd: bigint;
  /** Smoothed demand, at most what all verified units cost at the reference price. */
  paidDemandMicroUsd: bigint;
  slopePpm: bigint;
  /** What demand releases if every unit is fully reliable. */
  demandPoolMicroUsd: bigint;
}

/** What one supply line is paid for one epoch. */
export interface PayLine extends SupplyLine {
  baseMicroUsd: bigint;
  demandMicroUsd: bigint;
  totalMicroUsd: bigint;
}

/** A machine's rental share, as far as the pot went. */
export interface RentalSharePay extends RentalShare {
  paidMicroUsd: bigint;
}

export interface EpochRates {
  potMicroUsd: bigint;
  epochMs: bigint;
  classes: readonly ClassRate[];
  lines: readonly PayLine[];
  rentalShares: readonly RentalSharePay[];
  baseMicroUsd: bigint;
  rentalShareMicroUsd: bigint;
  demandMicroUsd: bigint;
  /** How much of the demand part the pot could pay: 1,000,000 unless it was too small. */
  demandPaidPpm: bigint;
  burnMicroUsd: bigint;
  burnPpm: bigint;
}

/** The whole of an epoch. Order: base, then rental share, then demand; what the pot cannot pay of a rental share stays owed, demand is cut evenly. */
export function computeRates(input: EpochInput): EpochRates {
  const { policy, epochMs, potMicroUsd } = input;
  const basePpm = basePart(input);
  const supplyOf = Map.groupBy(input.supply, (line) => line.gpuClass);
  const classes = input.classes.map((own) => rateClass(own, supplyOf.get(own.gpuClass) ?? [], input, basePpm));
  const rateOf = new Map(classes.map((rate) => [rate.gpuClass, rate]));
  const earned = input.supply.map((line) => earn(line, rateOf.get(line.gpuClass)));

  const baseMicroUsd = sum(earned.map((line) => line.baseMicroUsd));
  const afterBase = potMicroUsd - baseMicroUsd;
  const shares = policy.rentalShare === 'emission' ? input.rentalShares : [];
  const rentalShares = fit(
    shares.map((share) => share.owedMicroUsd),
    afterBase,
  ).map((paidMicroUsd, i): RentalSharePay => ({ ...shares[i]!, paidMicroUsd }));
  const rentalShareMicroUsd = sum(rentalShares.map((share) => share.paidMicroUsd));

  const wanted = earned.map((line) => line.demandMicroUsd);
  const paid = fit(wanted, afterBase - rentalShareMicroUsd);
  const lines = earned.map((line, i): PayLine => {
    const demandMicroUsd = paid[i]!;
    return { ...line, demandMicroUsd, totalMicroUsd: line.baseMicroUsd + demandMicroUsd };
  });
  const demandMicroUsd = sum(paid);
  const wantedMicroUsd = sum(wanted);
  const burnMicroUsd = afterBase - rentalShareMicroUsd - demandMicroUsd;
  return {
    potMicroUsd,
    epochMs,
    classes,
    lines,
    rentalShares,
    baseMicroUsd,
    rentalShareMicroUsd,
    demandMicroUsd,
    demandPaidPpm: wantedMicroUsd === 0n ? PPM : (demandMicroUsd * PPM) / wantedMicroUsd,
    burnMicroUsd,
    burnPpm: potMicroUsd === 0n ? PPM : (burnMicroUsd * PPM) / potMicroUsd,
  };
}

/** a = min(part of the price, cap x pot / what all reserves cost): with it the base of all classes together cannot exceed the cap. */
function basePart({ policy, potMicroUsd, epochMs, classes }: EpochInput): bigint {
  const reserveCost = sum(classes.map((own) => own.referenceMicroUsdPerHour * own.reserveUnitsPpm)) * epochMs;
  if (reserveCost === 0n) return policy.baseOfPricePpm;
  const byCap = (policy.baseCapPpm * potMicroUsd * MS_PER_HOUR * PPM) / reserveCost;
  return lesser(policy.baseOfPricePpm, byCap);
}

function rateClass(
  own: ClassInput,
  lines: readonly SupplyLine[],
  { policy, epochMs }: EpochInput,
  basePpm: bigint,
): ClassRate {
  const supplyUnits = sum(lines.map((line) => line.units));
  const reliableUnitsPpm = sum(lines.map(reliableUnits));
  const baseUnitsPpm = sum(lines.filter((line) => line.earnsBase).map(reliableUnits));
  const paidUnitsPpm = lesser(baseUnitsPpm, own.reserveUnitsPpm);
  const price = own.referenceMicroUsdPerHour;
  const smoothed = smoothDemand(
    own.reservoirMicroUsd,
    own.countedMicroUsd,
    own.withdrawnMicroUsd,
    policy.filterDivisor,
  );
  const paidDemandMicroUsd = lesser(smoothed.smoothedMicroUsd, (price * supplyUnits * epochMs) / MS_PER_HOUR);
  const slope = slopePpm(policy);
  return {
    gpuClass: own.gpuClass,
    referenceMicroUsdPerHour: price,
    supplyUnits,
    reliableUnitsPpm,
    baseUnitsPpm,
    reserveUnitsPpm: own.reserveUnitsPpm,
    basePpm,
    basePoolMicroUsd: (price * epochMs * basePpm * paidUnitsPpm) / (MS_PER_HOUR * PPM * PPM),
    ...smoothed,
    paidDemandMicroUsd,
    slopePpm: slope,
    demandPoolMicroUsd: (paidDemandMicroUsd * slope) / PPM,
  };
}

/** A line's part of its class: of the base by reliable units among reliable ones, of demand by reliable units among all, so that unreliability burns. */
function earn(
  line: SupplyLine,
  rate: ClassRate | undefined,
): SupplyLine & Pick<PayLine, 'baseMicroUsd' | 'demandMicroUsd'> {
  const weight = reliableUnits(line);
  if (rate === undefined || weight === 0n) return { ...line, baseMicroUsd: 0n, demandMicroUsd: 0n };
  return {
    ...line,
    baseMicroUsd: line.earnsBase ? (rate.basePoolMicroUsd * weight) / rate.baseUnitsPpm : 0n,
    demandMicroUsd: (rate.demandPoolMicroUsd * weight) / (rate.supplyUnits * PPM),
  };
}

function reliableUnits(line: SupplyLine): bigint {
  if (line.units < 0n || line.reliabilityPpm < 0n || line.reliabilityPpm > PPM)
    throw new RangeError('units are counted and reliability is from 0 to 1');
  return line.units * line.reliabilityPpm;
}

/** The amounts as they are where they fit, else all cut in proportion. */
function fit(amounts: readonly bigint[], available: bigint): bigint[] {
  const wanted = sum(amounts);
  if (wanted <= available) return [...amounts];
  return amounts.map((amount) => (amount * available) / wanted);
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}
