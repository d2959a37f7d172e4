/** Shapes of one's own supply: split into many keys, hidden in part, or heaped up idle. None of them may pay. */
import { computeRates, type ClassInput, type EpochInput, type SupplyLine } from '@celium/domain';
import { CLASSES, EPOCH_MS, MICRO, microUsd, modelPolicy } from './classes.ts';
import { diceOf, type Dice } from './dice.ts';

/** The best that each shape came to, as part of what the plain supply is paid. */
export interface ShapeFigures {
  tried: number;
  splitInto200: number;
  withholding: number;
  /** A class's pool with ten times the units, as part of the most that its reserve and its demand allow. */
  hoardingPool: number;
  /** What ten times the units earn all together, as part of what the first earned. */
  hoardingPay: number;
}

/** Tries random markets. */
export function tryShapes(count: number): ShapeFigures {
  const dice = diceOf('shapes');
  const worst: ShapeFigures = { tried: count, splitInto200: 0, withholding: 0, hoardingPool: 0, hoardingPay: 0 };
  for (let i = 0; i < count; i += 1) {
    const model = dice.pick(CLASSES);
    const units = dice.whole(1, Math.ceil(model.demandUnits * 1.5));
    const others = dice.whole(0, Math.ceil(model.demandUnits * 2));
    const reliabilityPpm = BigInt(dice.whole(100_000, 1_000_000));
    const market = randomMarket(dice);
    const own = (gpuUnits: number, keys = 1): SupplyLine[] =>
      Array.from({ length: keys }, (_, key) => line(`own-${key}`, model.gpuClass, gpuUnits / keys, reliabilityPpm));
    const rest = line('others', model.gpuClass, others, 1_000_000n);
    const pay = (lines: SupplyLine[]): bigint => ownPay({ ...market, supply: [...lines, rest] });

    const plain = pay(own(units * 200));
    if (plain > 0n) worst.splitInto200 = Math.max(worst.splitInto200, ratio(pay(own(units * 200, 200)), plain));
    const shown = pay(own(units + 1));
    if (shown > 1_000n) worst.withholding = Math.max(worst.withholding, ratio(pay(own(dice.whole(0, units))), shown));
    const first = pay(own(units));
    if (first > 1_000n) worst.hoardingPay = Math.max(worst.hoardingPay, ratio(pay(own(units * 10)), first));
    worst.hoardingPool = Math.max(
      worst.hoardingPool,
      poolOfLimit({ ...market, supply: [...own(units * 10), rest] }, model.gpuClass),
    );
  }
  return worst;
}

function randomMarket(dice: Dice): EpochInput {
  const policy = modelPolicy();
  const classes = policy.classes.map((own): ClassInput => ({
    gpuClass: own.gpuClass,
    referenceMicroUsdPerHour: own.anchorMicroUsdPerHour,
    reserveUnitsPpm: own.reserveUnits * BigInt(MICRO),
    reservoirMicroUsd: microUsd(dice.between(0, 500)),
    countedMicroUsd: microUsd(dice.between(0, 200)),
    withdrawnMicroUsd: 0n,
  }));
  return { policy, epochMs: EPOCH_MS, potMicroUsd: microUsd(1_500), classes, supply: [], rentalShares: [] };
}

function line(hotkey: string, gpuClass: string, units: number, reliabilityPpm: bigint): SupplyLine {
  return { hotkey, machineKey: hotkey, gpuClass, units: BigInt(units), reliabilityPpm, earnsBase: true };
}

function ownPay(input: EpochInput): bigint {
  return computeRates(input)
    .lines.filter(({ hotkey }) => hotkey.startsWith('own'))
    .reduce((sum, { totalMicroUsd }) => sum + totalMicroUsd, 0n);
}

function poolOfLimit(input: EpochInput, gpuClass: string): number {
  const rates = computeRates(input);
  const rate = rates.classes.find((own) => own.gpuClass === gpuClass)!;
  const pool = rates.lines.filter((own) => own.gpuClass === gpuClass).reduce((sum, own) => sum + own.totalMicroUsd, 0n);
  const hours = Number(EPOCH_MS) / 3_600_000;
  const reserve = (Number(rate.referenceMicroUsdPerHour) * hours * 0.35 * Number(rate.reserveUnitsPpm)) / MICRO;
  return Number(pool) / (reserve + 0.08 * Number(rate.smoothedMicroUsd));
}

function ratio(part: bigint, whole: bigint): number {
  return Number(part) / Number(whole);
}
