/** Pretended rentals while alpha's price jumps about: emission pays at the higher of spot and day mean, a burn counts at the lower, so that no jump helps. */
import { burnedMicroUsd, computeRates, potMicroUsd, type AlphaPrice, type ClassInput } from '@celium/domain';
import { CLASSES, EPOCH_MS, MICRO, microUsd, modelPolicy } from './classes.ts';
import { diceOf } from './dice.ts';

const EPOCHS = 100;
const ATTACK_EPOCHS = 40;
/** Alpha for miners in an epoch; with the first price that is a pot of $1,500. */
const MINER_ALPHA_RAO = 300n * 1_000_000_000n;
/** The mean of a day is followed with this part in an epoch of 1.2 hours. */
const DAY_MEAN_STEP = 1 / 20;

/** Plays random paths; the attacker owns all B200. Returns the worst gain by cost, both in dollars at the moment's spot price. */
export function tryAlphaPaths(runs: number): number {
  let worst = 0;
  for (let run = 0; run < runs; run += 1) worst = Math.max(worst, play(run));
  return worst;
}

function play(run: number): number {
  const dice = diceOf('alpha', run);
  const wild = dice.between(0.01, 0.2);
  let [spot, dayMean] = [5, 5];
  let [gain, cost] = [0, 0];
  const reservoirs = { honest: 0n, attacked: 0n };
  for (let epoch = 0; epoch < EPOCHS; epoch += 1) {
    spot *= Math.exp(wild * dice.normal());
    dayMean += (spot - dayMean) * DAY_MEAN_STEP;
    const price: AlphaPrice = { spotMicroUsd: microUsd(spot), dayMeanMicroUsd: microUsd(dayMean) };
    let counted = 0;
    if (epoch < ATTACK_EPOCHS && dice.next() < 0.7) {
      // Burns what the fee of these dollars is at spot; what it counts for is the rule's.
      counted = dice.between(1, 12);
      const alphaRao = BigInt(Math.round(((counted * 0.1) / spot) * 1e9));
      cost += (Number(alphaRao) / 1e9) * spot;
      counted = (Number(burnedMicroUsd(alphaRao, price)) / MICRO) * 10;
    }
    const honest = 7 * 4.5 * 0.5;
    const pot = potMicroUsd(MINER_ALPHA_RAO, price);
    const paid = (extra: number, key: keyof typeof reservoirs): number => {
      const rates = pay(pot, reservoirs[key], microUsd(honest + extra));
      reservoirs[key] = rates.reservoirMicroUsd;
      // A part of the pot in alpha, worth what spot says.
      return (Number(rates.paidMicroUsd) / Number(pot)) * (Number(MINER_ALPHA_RAO) / 1e9) * spot;
    };
    gain += paid(counted, 'attacked') - paid(0, 'honest');
  }
  return gain / cost;
}

function pay(pot: bigint, reservoirMicroUsd: bigint, countedMicroUsd: bigint) {
  const policy = modelPolicy();
  const model = CLASSES.find(({ gpuClass }) => gpuClass === 'B200')!;
  const own: ClassInput = {
    gpuClass: model.gpuClass,
    referenceMicroUsdPerHour: microUsd(model.priceUsd),
    reserveUnitsPpm: BigInt(model.reserveUnits * MICRO),
    reservoirMicroUsd,
    countedMicroUsd,
    withdrawnMicroUsd: 0n,
  };
  const supply = [
    {
      hotkey: 'attacker',
      machineKey: 'm',
      gpuClass: model.gpuClass,
      units: 9n,
      reliabilityPpm: 1_000_000n,
      earnsBase: true,
    },
  ];
  const rates = computeRates({ policy, epochMs: EPOCH_MS, potMicroUsd: pot, classes: [own], supply, rentalShares: [] });
  return { paidMicroUsd: rates.lines[0]!.totalMicroUsd, reservoirMicroUsd: rates.classes[0]!.reservoirMicroUsd };
}
