/** Pulses: pretended hours at cunning moments of a moving demand. With a linear filter timing brings nothing; with a limit on steps it does, which is played beside it. */
import { computeRates, type ClassInput } from '@celium/domain';
import { EPOCH_MS, MICRO, microUsd, modelPolicy } from './classes.ts';
import { diceOf, type Dice } from './dice.ts';

const EPOCHS = 60;
const TAIL_EPOCHS = 60;

/** The most that one dollar of pretended hours moved of smoothed demand: by the engine, and by a filter that limits steps. */
export interface PulseFigures {
  tried: number;
  worstGain: number;
  worstGainOfStepLimit: number;
}

/** Plays random pulses on random demand. */
export function tryPulses(count: number): PulseFigures {
  const dice = diceOf('pulses');
  const figures: PulseFigures = { tried: count, worstGain: 0, worstGainOfStepLimit: 0 };
  for (let i = 0; i < count; i += 1) {
    const honest = movingDemand(dice);
    const pulses = pulseTrain(dice, honest[0]!);
    const fake = pulses.reduce((sum, value) => sum + value, 0);
    const extra = (filter: (demand: readonly number[], start: number) => number): number =>
      (filter(
        honest.map((value, epoch) => value + (pulses[epoch] ?? 0)),
        honest[0]!,
      ) -
        filter(honest, honest[0]!)) /
      fake;
    figures.worstGain = Math.max(figures.worstGain, extra(paidByEngine));
    figures.worstGainOfStepLimit = Math.max(figures.worstGainOfStepLimit, extra(paidByStepLimit));
  }
  return figures;
}

/** Dollars of counted revenue per epoch: a wave, noise, and at times a jump. The tail is quiet. */
function movingDemand(dice: Dice): number[] {
  const level = dice.between(5, 100);
  const jumpAt = dice.whole(0, EPOCHS);
  const jump = 10 ** dice.between(-1, 1);
  const phase = dice.whole(0, 19);
  return Array.from({ length: EPOCHS + TAIL_EPOCHS }, (_, epoch) => {
    const wave = 1 + 0.3 * Math.sin((2 * Math.PI * (epoch + phase)) / 20);
    return Math.max(0.1, level * wave * (epoch >= jumpAt ? jump : 1) * (1 + 0.1 * dice.normal()));
  });
}

function pulseTrain(dice: Dice, level: number): number[] {
  const height = level * 10 ** dice.between(-1.5, 0.5);
  const [period, width] = [dice.whole(1, 20), dice.whole(1, 4)];
  const train = Array.from({ length: EPOCHS }, (_, epoch) => (epoch % period < width ? height : 0));
  return train.slice(0, dice.whole(width, EPOCHS));
}

/** What the demand part pays in all per dollar of slope, by the engine itself. */
function paidByEngine(demand: readonly number[], start: number): number {
  const policy = modelPolicy();
  const own = policy.classes.find(({ gpuClass }) => gpuClass === 'H200')!;
  let reservoirMicroUsd = microUsd(start * 3);
  let paid = 0n;
  for (const usd of demand) {
    const input: ClassInput = {
      gpuClass: own.gpuClass,
      referenceMicroUsdPerHour: own.anchorMicroUsdPerHour,
      reserveUnitsPpm: own.reserveUnits * BigInt(MICRO),
      reservoirMicroUsd,
      countedMicroUsd: microUsd(usd),
      withdrawnMicroUsd: 0n,
    };
    const supply = [
      {
        hotkey: 'attacker',
        machineKey: 'm',
        gpuClass: own.gpuClass,
        units: 200n,
        reliabilityPpm: 1_000_000n,
        earnsBase: true,
      },
    ];
    const rates = computeRates({
      policy,
      epochMs: EPOCH_MS,
      potMicroUsd: microUsd(1_500),
      classes: [input],
      supply,
      rentalShares: [],
    });
    reservoirMicroUsd = rates.classes[0]!.reservoirMicroUsd;
    paid += rates.demandMicroUsd;
  }
  return Number(paid) / MICRO / 0.08;
}

/** The same by a filter that lets the paid demand rise by 10 % and fall by 15 % an epoch at most: what the design rejects. */
function paidByStepLimit(demand: readonly number[], start: number): number {
  let level = start;
  let paid = 0;
  for (const usd of demand) {
    const wanted = level + 0.25 * (usd - level);
    level = Math.min(level * 1.1, Math.max(level * 0.85, wanted));
    paid += level;
  }
  return paid;
}
