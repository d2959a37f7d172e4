/** Random states of the market, each held against everything that must always be true; a state that breaks one is named by its number, so that it can be played again. */
import {
  computeRates as engine,
  POLICY_BOUNDS,
  rowWithBurn,
  payOfHotkeys,
  slopePpm,
  type ClassInput,
  type EpochInput,
  type EpochRates,
  type SupplyLine,
} from '@celium/domain';
import { EPOCH_MS, modelPolicy } from './classes.ts';
import { diceOf, type Dice } from './dice.ts';

/** What was broken, by its name, with the first states that broke it. */
export interface StateFigures {
  tried: number;
  violations: number;
  first: string[];
}

/** The engine, or one with a fault that this has to find. */
export type Engine = typeof engine;

const MILLION = 1_000_000n;

/** Tries random states against the engine, or against one that is given. */
export function tryStates(count: number, computeRates: Engine = engine): StateFigures {
  const figures: StateFigures = { tried: count, violations: 0, first: [] };
  for (let number = 0; number < count; number += 1) {
    const dice = diceOf('state', number);
    const state = randomState(dice);
    for (const broken of brokenBy(state, dice, computeRates)) {
      figures.violations += 1;
      if (figures.first.length < 5) figures.first.push(`state ${number}: ${broken}`);
    }
  }
  return figures;
}

function brokenBy(state: EpochInput, dice: Dice, computeRates: Engine): string[] {
  const rates = computeRates(state);
  const own = state.supply[0]!;
  const gpuClass = own.gpuClass;
  const mine = (made: EpochRates): bigint =>
    made.lines.filter(({ hotkey }) => hotkey.startsWith('own')).reduce((sum, line) => sum + line.totalMicroUsd, 0n);
  const pay = (input: EpochInput): bigint => mine(computeRates(input));
  const [, ...others] = state.supply;
  const withOwn = (units: bigint, keys = 1n): EpochInput => ({
    ...state,
    supply: [
      ...Array.from({ length: Number(keys) }, (_, i) => ({ ...own, hotkey: `own-${i}`, units: units / keys })),
      ...others,
    ],
  });
  const fake = BigInt(dice.whole(1, 1_000_000_000));
  const washed: EpochInput = {
    ...state,
    classes: state.classes.map((each) =>
      each.gpuClass === gpuClass ? { ...each, countedMicroUsd: each.countedMicroUsd + fake } : each,
    ),
  };
  const everything = (input: EpochInput): bigint =>
    computeRates(input).lines.reduce((sum, line) => sum + line.totalMicroUsd, 0n);
  const rich: EpochInput = { ...state, potMicroUsd: state.potMicroUsd + 10n ** 15n };
  const hidden = (units: bigint): EpochInput => ({ ...rich, supply: [{ ...own, units }, ...others] });
  const lines = BigInt(state.supply.length);
  // Rounding: each line loses at most a micro-dollar in each of its parts.
  const slack = 4n * (lines + 2n);
  const paid = rates.lines.reduce((sum, line) => sum + line.totalMicroUsd, 0n);
  const row = rowWithBurn(
    payOfHotkeys(rates),
    state.potMicroUsd,
    new Map(state.supply.map((line, i) => [line.hotkey, i + 1])),
    [0],
  );
  const claims: ReadonlyArray<readonly [name: string, holds: boolean]> = [
    ['paid and burned are the pot', paid + rates.rentalShareMicroUsd + rates.burnMicroUsd === state.potMicroUsd],
    ['nothing is negative', rates.burnMicroUsd >= 0n && rates.lines.every((line) => line.totalMicroUsd >= 0n)],
    [
      'base is at most a fifth of the pot',
      rates.baseMicroUsd * MILLION <= state.potMicroUsd * POLICY_BOUNDS.baseCapPpm,
    ],
    ['a row of weights is the whole', row.ok && row.row.reduce((sum, [, weight]) => sum + weight, 0) === 65_535],
    ['pools keep to reserve and demand', rates.classes.every((rate) => keepsToLimit(rate, rates, state))],
    // One epoch pays the part that flows out; the rest waits in the reservoir, and is bounded there.
    [
      'pretended demand brings less than its fee',
      (everything(washed) - paid) * MILLION * state.policy.filterDivisor <=
        (fake + state.policy.filterDivisor) * slopePpm(state.policy) + slack * MILLION * state.policy.filterDivisor,
    ],
    ['a split brings nothing', pay(withOwn(own.units * 10n, 10n)) <= pay(withOwn(own.units * 10n))],
    ['hiding units brings nothing', pay(hidden(own.units / 2n)) <= pay(hidden(own.units)) + slack],
    ['more idle units take nothing from the pot', hoards(state, own, others, computeRates)],
    ['the same state gives the same rates', sameRates(computeRates(state), rates)],
  ];
  return claims.filter(([, holds]) => !holds).map(([name]) => name);
}

function keepsToLimit(
  rate: EpochRates['classes'][number],
  rates: EpochRates,
  { policy, epochMs }: EpochInput,
): boolean {
  const pool = rates.lines
    .filter((line) => line.gpuClass === rate.gpuClass)
    .reduce((sum, line) => sum + line.totalMicroUsd, 0n);
  const base =
    (rate.referenceMicroUsdPerHour * epochMs * policy.baseOfPricePpm * rate.reserveUnitsPpm) /
    (3_600_000n * MILLION * MILLION);
  return pool <= base + (rate.smoothedMicroUsd * slopePpm(policy)) / MILLION + 1n;
}

/** Whatever is heaped up, the class's pool stays within its limit. */
function hoards(state: EpochInput, own: SupplyLine, others: readonly SupplyLine[], computeRates: Engine): boolean {
  const rates = computeRates({ ...state, supply: [{ ...own, units: own.units * 1_000n }, ...others] });
  return rates.classes.every((rate) => keepsToLimit(rate, rates, state));
}

function sameRates(a: EpochRates, b: EpochRates): boolean {
  return (
    a.lines.every((line, i) => line.totalMicroUsd === b.lines[i]!.totalMicroUsd) && a.burnMicroUsd === b.burnMicroUsd
  );
}

/** One to four classes, two to seven lines, half of the states with unequal reliability, pots from too small to plentiful. */
function randomState(dice: Dice): EpochInput {
  const names = Array.from({ length: dice.whole(1, 4) }, (_, i) => `C${i}`);
  const equal = dice.next() < 0.5;
  const spread = (most: number): bigint => BigInt(Math.floor(10 ** dice.between(0, most)));
  const feePpm = BigInt(dice.whole(0, 500_000));
  const policy = modelPolicy({
    feePpm,
    kappaPpm: BigInt(dice.whole(0, 850_000)),
    filterDivisor: BigInt(dice.whole(1, 16)),
    rentalShare: dice.pick(['cash', 'emission'] as const),
    classes: names.map((gpuClass) => ({ gpuClass, reserveUnits: 1n, anchorMicroUsdPerHour: 1n })),
  });
  const classes = names.map((gpuClass): ClassInput => ({
    gpuClass,
    referenceMicroUsdPerHour: spread(7.5),
    reserveUnitsPpm: spread(9.5),
    reservoirMicroUsd: spread(11) - spread(10),
    countedMicroUsd: spread(11),
    withdrawnMicroUsd: dice.next() < 0.8 ? 0n : spread(10),
  }));
  const supply = Array.from({ length: dice.whole(2, 7) }, (_, i): SupplyLine => ({
    hotkey: i === 0 ? 'own' : `other-${i}`,
    machineKey: `m${i}`,
    gpuClass: dice.pick(names),
    units: BigInt(dice.whole(1, 200)),
    reliabilityPpm: equal ? MILLION : BigInt(dice.whole(0, 1_000_000)),
    earnsBase: dice.next() < 0.9,
  }));
  const rentalShares = [{ hotkey: 'other-1', machineKey: 'm1', owedMicroUsd: spread(10) }];
  return { policy, epochMs: EPOCH_MS, potMicroUsd: spread(11), classes, supply, rentalShares };
}
