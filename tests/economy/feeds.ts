/** Feeds that lie: one of three, and then two, for days; what that moves of the reference price, of base pay and of the pot. */
import {
  anchorReference,
  computeRates,
  followFeeds,
  moveReserve,
  type PriceReading,
  type PriceReference,
} from '@celium/domain';
import { EPOCH_HOURS, EPOCH_MS, MICRO, microUsd, modelPolicy } from './classes.ts';
import { diceOf } from './dice.ts';

const EPOCHS = 200;

/** What lying feeds came to. */
export interface FeedFigures {
  /** Looks at which one lying feed of three moved the price out of what honest feeds and the price before span. */
  escapes: number;
  /** The most that a provider is paid with one lying feed, as part of what honest feeds pay. */
  payWithOneLiar: number;
  /** Hours until the reference has doubled with two liars of three. */
  doublesAfterHours: number;
  /** The largest part of the pot that base took meanwhile. */
  baseOfPot: number;
  /** The largest change of a price in an hour, whatever feeds did. */
  largestChangePerHour: number;
}

/** Plays lying feeds in several runs. */
export function tryFeeds(runs: number): FeedFigures {
  const figures: FeedFigures = {
    escapes: 0,
    payWithOneLiar: 0,
    doublesAfterHours: Number.POSITIVE_INFINITY,
    baseOfPot: 0,
    largestChangePerHour: 0,
  };
  for (let run = 0; run < runs; run += 1) {
    const honest = play(run, 0, figures);
    const one = play(run, 1, figures);
    const two = play(run, 2, figures);
    figures.payWithOneLiar = Math.max(figures.payWithOneLiar, one.pay / honest.pay);
    figures.doublesAfterHours = Math.min(figures.doublesAfterHours, two.doubledAfterHours);
  }
  return figures;
}

function play(run: number, liars: number, figures: FeedFigures): { pay: number; doubledAfterHours: number } {
  const policy = modelPolicy();
  const own = policy.classes.find(({ gpuClass }) => gpuClass === 'H200')!;
  const dice = diceOf('feeds', run);
  let world = Number(own.anchorMicroUsdPerHour) / MICRO;
  let reference: PriceReference = anchorReference(own.gpuClass, own.anchorMicroUsdPerHour, 0);
  let reserveUnitsPpm = own.reserveUnits * BigInt(MICRO);
  let [pay, doubledAfterHours] = [0, Number.POSITIVE_INFINITY];
  for (let epoch = 1; epoch <= EPOCHS; epoch += 1) {
    const nowMs = Math.round(epoch * EPOCH_HOURS * 3_600_000);
    world *= 1 + 0.003 * dice.normal();
    const honest = [0, 1, 2].map(() => microUsd(world * (1 + 0.01 * dice.normal())));
    const lie = microUsd(world * (run % 2 === 0 ? 50 : 0.01));
    const silent = dice.next() < 0.05;
    const said = honest.map((price, i) => (i < liars ? lie : price)).filter((_, i) => !(silent && i === 2));
    const readings = said.map((microUsdPerHour, i): PriceReading => ({
      source: `feed-${i}`,
      gpuClass: own.gpuClass,
      microUsdPerHour,
      observedAtMs: nowMs,
    }));
    const before = reference.microUsdPerHour;
    ({ reference } = followFeeds(reference, readings, nowMs, policy));
    const after = reference.microUsdPerHour;
    if (liars === 1 && escapes(after, [before, ...honest.slice(1)])) figures.escapes += 1;
    const changed = Math.abs(Number(after) / Number(before) - 1) / EPOCH_HOURS;
    figures.largestChangePerHour = Math.max(figures.largestChangePerHour, changed);
    reserveUnitsPpm = moveReserve(reserveUnitsPpm, own, after, policy.reserveChangePpmPerEpoch);
    const rates = computeRates({
      policy,
      epochMs: EPOCH_MS,
      potMicroUsd: microUsd(1_500),
      classes: [
        {
          gpuClass: own.gpuClass,
          referenceMicroUsdPerHour: after,
          reserveUnitsPpm,
          reservoirMicroUsd: 0n,
          countedMicroUsd: 0n,
          withdrawnMicroUsd: 0n,
        },
      ],
      supply: [
        {
          hotkey: 'one',
          machineKey: 'm',
          gpuClass: own.gpuClass,
          units: 70n,
          reliabilityPpm: 950_000n,
          earnsBase: true,
        },
      ],
      rentalShares: [],
    });
    pay += Number(rates.baseMicroUsd);
    figures.baseOfPot = Math.max(figures.baseOfPot, Number(rates.baseMicroUsd) / Number(rates.potMicroUsd));
    if (after >= own.anchorMicroUsdPerHour * 2n && liars === 2)
      doubledAfterHours = Math.min(doubledAfterHours, epoch * EPOCH_HOURS);
  }
  return { pay, doubledAfterHours };
}

function escapes(price: bigint, spanned: readonly bigint[]): boolean {
  return spanned.every((own) => own < price) || spanned.every((own) => own > price);
}
