/** The reference shock: on day 20 demand for H200 becomes two and a half times what it was and that for RTX4090 halves; how fast hosts answer, and how steady pay stays. */
import type { IncentivePolicy } from '@celium/domain';
import { EPOCH_HOURS, modelPolicy, POT_USD_PER_DAY } from './classes.ts';
import { diceOf } from './dice.ts';
import { Market, type EpochSight } from './market.ts';

const EPOCHS_PER_DAY = 24 / EPOCH_HOURS;
const SHOCK_DAY = 20;
const DAYS = 40;
const SHOCK_EPOCH = SHOCK_DAY * EPOCHS_PER_DAY;
/** Filled is what stays filled for this long. */
const STAYS_EPOCHS = 5;

/** One run's figures. */
export interface ShockFigures {
  /** Hours until H200 is 95 % filled and stays so for six hours; infinite when never. */
  filledAfterHours: number;
  /** The mean part of wanted H200 that was found in the first 72 hours. */
  fill72h: number;
  /** Standard deviation of a class's emission per day of its own mean over the last five days, weighted by what each class is paid. */
  payVariation: number;
  /** The same of what one reliable unit is paid. */
  unitPayVariation: number;
  worstUnitPayVariation: { gpuClass: string; variation: number };
  /** The same of demand, to compare with. */
  demandVariation: number;
  /** The largest change of a class's emission from one epoch to the next, of the class's mean. */
  largestPoolStep: number;
  burnBefore: number;
  burnAfter: number;
  emissionUsdPerDayBefore: number;
  h200Before: number;
  h200After: number;
  rtx4090Before: number;
  rtx4090After: number;
  /** Hours until the count of RTX4090 stays within a tenth of its last five days' mean. */
  rtx4090SettledHours: number;
  largestBaseOfPot: number;
}

/** What differs between runs. */
export interface ShockSetting {
  seed: number;
  hostDelayHours: number;
  reliabilityByDay: readonly bigint[];
  policy?: Partial<IncentivePolicy>;
  /** Alpha's price by epoch, as part of what it was at first. */
  alphaPrice?: (epoch: number) => number;
}

/** Plays forty days. */
export function playShock({ seed, hostDelayHours, reliabilityByDay, policy, alphaPrice }: ShockSetting): ShockFigures {
  const potUsd = (epoch: number): number => (POT_USD_PER_DAY / EPOCHS_PER_DAY) * (alphaPrice?.(epoch) ?? 1);
  const dice = diceOf('shock', seed);
  const setting = {
    policy: modelPolicy(policy),
    hostDelayHours,
    shockEpoch: SHOCK_EPOCH,
    potUsd,
    reliabilityByDay,
    dice,
  };
  const market = new Market(setting);
  return measure(Array.from({ length: DAYS * EPOCHS_PER_DAY }, () => market.step()));
}

function measure(sights: readonly EpochSight[]): ShockFigures {
  const of = (gpuClass: string) => sights.map((sight) => sight.classes.find((own) => own.gpuClass === gpuClass)!);
  const [h200, rtx4090] = [of('H200'), of('RTX4090')];
  const after = h200.slice(SHOCK_EPOCH).map(({ fill }) => fill);
  const filled = after.findIndex((_, i) => {
    const stretch = after.slice(i, i + STAYS_EPOCHS);
    return stretch.length === STAYS_EPOCHS && stretch.every((fill) => fill >= 0.95);
  });
  const lastDays = -5 * EPOCHS_PER_DAY;
  const byClass = sights[0]!.classes.map(({ gpuClass }) => ({ gpuClass, own: of(gpuClass).slice(lastDays) }));
  const weights = byClass.map(({ own }) => mean(own.map(({ poolUsd }) => poolUsd)));
  const varies = (value: (own: EpochSight['classes'][number]) => number): number[] =>
    byClass.map(({ own }) => variation(own.map(value)));
  const unitPay = varies(({ payOfPrice }) => payOfPrice);
  const worst = unitPay.indexOf(Math.max(...unitPay));
  const before = sights.slice(SHOCK_EPOCH + lastDays, SHOCK_EPOCH);
  const settledCount = mean(rtx4090.slice(lastDays).map(({ supplyUnits }) => supplyUnits));
  const unsettled = rtx4090.findLastIndex(({ supplyUnits }) => Math.abs(supplyUnits / settledCount - 1) > 0.1);
  const steps = byClass.flatMap(({ gpuClass }) => {
    const pools = of(gpuClass).map(({ poolUsd }) => poolUsd);
    const usual = mean(pools);
    return usual === 0 ? [0] : pools.slice(1).map((pool, i) => Math.abs(pool - pools[i]!) / usual);
  });
  const burn = ({ rates }: EpochSight): number => Number(rates.burnPpm) / 1e6;
  return {
    filledAfterHours: filled < 0 ? Number.POSITIVE_INFINITY : filled * EPOCH_HOURS,
    fill72h: mean(after.slice(0, 72 / EPOCH_HOURS)),
    payVariation: weighted(
      varies(({ poolUsd }) => poolUsd),
      weights,
    ),
    unitPayVariation: weighted(unitPay, weights),
    worstUnitPayVariation: { gpuClass: byClass[worst]!.gpuClass, variation: unitPay[worst]! },
    demandVariation: mean(varies(({ demandUnits }) => demandUnits)),
    largestPoolStep: Math.max(...steps),
    burnBefore: mean(before.map(burn)),
    burnAfter: mean(sights.slice(lastDays).map(burn)),
    emissionUsdPerDayBefore: mean(
      before.map(({ rates }) => (Number(rates.potMicroUsd - rates.burnMicroUsd) / 1e6) * EPOCHS_PER_DAY),
    ),
    h200Before: mean(h200.slice(SHOCK_EPOCH + lastDays, SHOCK_EPOCH).map(({ supplyUnits }) => supplyUnits)),
    h200After: mean(h200.slice(lastDays).map(({ supplyUnits }) => supplyUnits)),
    rtx4090Before: mean(rtx4090.slice(SHOCK_EPOCH + lastDays, SHOCK_EPOCH).map(({ supplyUnits }) => supplyUnits)),
    rtx4090After: settledCount,
    rtx4090SettledHours: Math.max(0, unsettled + 1 - SHOCK_EPOCH) * EPOCH_HOURS,
    largestBaseOfPot: Math.max(...sights.map(({ rates }) => Number(rates.baseMicroUsd) / Number(rates.potMicroUsd))),
  };
}

/** The mean of some numbers. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The middle one, of an even number the lower. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!;
}

function weighted(values: readonly number[], weights: readonly number[]): number {
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  return all === 0 ? 0 : values.reduce((sum, value, i) => sum + value * weights[i]!, 0) / all;
}

/** Standard deviation as part of the mean; nothing varies where nothing is paid. */
function variation(values: readonly number[]): number {
  const middle = mean(values);
  return middle === 0 ? 0 : Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
}
