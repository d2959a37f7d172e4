/** An epoch's pay in words, from the very figures that it was computed with: one text for `celium audit --explain` and for provider pages. */

import { dollarText, lesser, PPM, ratioText } from './parts-per-million.ts';
import type { ClassRate, EpochRates, PayLine } from './rates.ts';

/** One figure with its reason. */
export interface Explanation {
  name: 'machine' | 'base' | 'demand' | 'reliability' | 'rental share' | 'pay';
  value: string;
  because: string;
}

/** Everything that one machine is paid in an epoch, line by line; empty when it has neither verified units nor a rental share. */
export function explainMachine(rates: EpochRates, machineKey: string): Explanation[] {
  const own = rates.lines.filter((line) => line.machineKey === machineKey);
  const shares = rates.rentalShares.filter((share) => share.machineKey === machineKey);
  const explained = own.flatMap((line) => {
    const rate = rates.classes.find(({ gpuClass }) => gpuClass === line.gpuClass);
    return rate === undefined ? [unpaidClass(line)] : explainLine(line, rate, rates);
  });
  return [
    ...explained,
    ...shares.map(({ owedMicroUsd, paidMicroUsd }): Explanation => ({
      name: 'rental share',
      value: dollarText(paidMicroUsd),
      because:
        paidMicroUsd === owedMicroUsd
          ? 'this is owed for rentals whose money was burned'
          : `${dollarText(owedMicroUsd)} is owed, the pot went so far, the rest stays owed`,
    })),
  ];
}

function unpaidClass({ gpuClass, units }: PayLine): Explanation {
  return { name: 'pay', value: '$0.00', because: `the policy pays no emission for ${units} of class ${gpuClass}` };
}

function explainLine(line: PayLine, rate: ClassRate, rates: EpochRates): Explanation[] {
  const { gpuClass, units } = line;
  const price = dollarText(rate.referenceMicroUsdPerHour);
  const minutes = rates.epochMs / 60_000n;
  return [
    {
      name: 'machine',
      value: `${units} x ${gpuClass}`,
      because: `the reference price is ${price} per unit and hour, the epoch has ${minutes} minutes, and rates are parts of that price`,
    },
    { name: 'base', value: ratioText(basePerUnitPpm(line, rate)), because: becauseOfBase(line, rate) },
    { name: 'demand', value: ratioText(demandPerUnitPpm(rate, rates)), because: becauseOfDemand(rate, rates) },
    {
      name: 'reliability',
      value: ratioText(line.reliabilityPpm),
      because: 'base and demand are multiplied by it; what it takes off the demand part burns',
    },
    {
      name: 'pay',
      value: dollarText(line.totalMicroUsd),
      because: `${dollarText(line.baseMicroUsd)} base and ${dollarText(line.demandMicroUsd)} demand, ${ratioText(partOfPot(line, rates), 6)} of the pot`,
    },
  ];
}

/** What a reliable unit of the class gets as base, as part of its price. */
export function basePerUnitPpm(line: Pick<PayLine, 'earnsBase'>, rate: ClassRate): bigint {
  if (!line.earnsBase || rate.baseUnitsPpm === 0n) return 0n;
  return (rate.basePpm * lesser(rate.baseUnitsPpm, rate.reserveUnitsPpm)) / rate.baseUnitsPpm;
}

/** What a fully reliable unit of the class gets for demand, as part of its price. */
export function demandPerUnitPpm(rate: ClassRate, rates: Pick<EpochRates, 'epochMs' | 'demandPaidPpm'>): bigint {
  const fullMicroUsd = (rate.referenceMicroUsdPerHour * rate.supplyUnits * rates.epochMs) / 3_600_000n;
  if (fullMicroUsd === 0n) return 0n;
  return (rate.demandPoolMicroUsd * rates.demandPaidPpm) / fullMicroUsd;
}

function becauseOfBase(line: PayLine, rate: ClassRate): string {
  if (!line.earnsBase) return 'the record of these units is below the floor of base pay';
  const supply = ratioText(rate.baseUnitsPpm, 1);
  const reserve = ratioText(rate.reserveUnitsPpm, 1);
  const full = ratioText(rate.basePpm);
  return rate.baseUnitsPpm <= rate.reserveUnitsPpm
    ? `${supply} reliable units are within the reserve of ${reserve}, and each gets the full ${full}`
    : `${supply} reliable units share the base of the ${reserve} that are wanted, ${full} each`;
}

function becauseOfDemand(rate: ClassRate, rates: EpochRates): string {
  const smoothed = dollarText(rate.smoothedMicroUsd);
  const slope = ratioText(rate.slopePpm);
  const capped = rate.paidDemandMicroUsd < rate.smoothedMicroUsd ? ', at most what all units cost' : '';
  const cut = rates.demandPaidPpm < PPM ? `, of which the pot pays ${ratioText(rates.demandPaidPpm)}` : '';
  return `${smoothed} of smoothed, counted revenue${capped} releases ${slope} of itself${cut}, shared by ${rate.supplyUnits} units`;
}

function partOfPot(line: PayLine, rates: EpochRates): bigint {
  return rates.potMicroUsd === 0n ? 0n : (line.totalMicroUsd * PPM) / rates.potMicroUsd;
}

/** An explanation as lines of text. */
export function explanationText(lines: readonly Explanation[]): string {
  return lines.map(({ name, value, because }) => `${name} ${value} because ${because}`).join('\n');
}
