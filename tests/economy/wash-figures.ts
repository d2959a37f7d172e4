/** All pretended rentals that are tried, and the worst of each kind; beside them the rule of a fixed pot by revenue share, which they must be found to beat. */
import { CLASSES, EPOCH_HOURS, POT_USD_PER_DAY } from './classes.ts';
import { BURNS, gainByCost, playWash, type Wash } from './wash.ts';

/** The worst of each kind of attack, gain by cost. */
export interface WashFigures {
  tried: number;
  strangersMarket: number;
  ownMarket: number;
  operatorColludes: number;
  /** The most that came back from emission for a dollar burned, where it pays the rental share. */
  backForBurned: number;
  /** While the reference price rises by 2 % an hour. */
  risingPrice: number;
}

const POT_USD = (POT_USD_PER_DAY / 24) * EPOCH_HOURS;
const TRICKS_OF_OWNERS = BURNS.filter((trick) => trick !== 'whole');

/** Tries the grid; a quick run leaves out two classes and some of the steps. */
export function tryWashes(quick: boolean): WashFigures {
  const worst = {
    tried: 0,
    strangersMarket: -1,
    ownMarket: -1,
    operatorColludes: -1,
    backForBurned: 0,
    risingPrice: -1,
  };
  const note = (kind: Exclude<keyof WashFigures, 'tried' | 'backForBurned'>, wash: Wash): void => {
    const result = playWash(wash);
    worst.tried += 1;
    worst[kind] = Math.max(worst[kind], gainByCost(result));
    if (wash.rentalShare === 'emission') worst.backForBurned = Math.max(worst.backForBurned, result.backForBurned);
  };
  for (const wash of grid(quick)) {
    note('strangersMarket', wash);
    if (wash.priceOfReference !== 1) continue;
    for (const burn of TRICKS_OF_OWNERS) note('ownMarket', { ...wash, burn });
    // The operator takes no margin and rents the attacker's units at what price they like; the fee is all that is lost.
    for (const priceOfReference of [0.1, 10]) note('operatorColludes', { ...wash, priceOfReference });
    note('operatorColludes', wash);
    note('ownMarket', wash);
  }
  for (const concentration of [0.33, 1]) {
    const rising: Wash = {
      ...BASE,
      concentration,
      rented: 0.3,
      priceAt: (epoch) => 1.02 ** (EPOCH_HOURS * Math.min(epoch, 40)),
    };
    note('risingPrice', rising);
  }
  return worst;
}

const BASE: Wash = {
  gpuClass: 'H200',
  concentration: 1,
  rented: 1,
  priceOfReference: 1,
  burn: 'whole',
  feePpm: 100_000n,
  rentalShare: 'cash',
  potUsd: POT_USD,
};

function* grid(quick: boolean): Generator<Wash> {
  const classes = quick ? ['H200', 'B200'] : CLASSES.map(({ gpuClass }) => gpuClass);
  for (const gpuClass of classes)
    for (const concentration of quick ? [0.1, 0.6, 1] : [0.02, 0.1, 0.2, 0.33, 0.45, 0.6, 0.8, 1])
      for (const rented of quick ? [0.2] : [0.1, 0.3, 1])
        for (const priceOfReference of [0.5, 1, 3])
          for (const feePpm of [100_000n, 300_000n])
            for (const rentalShare of ['cash', 'emission'] as const)
              for (const potUsd of quick ? [POT_USD] : [POT_USD, POT_USD / 10])
                yield { gpuClass, concentration, rented, priceOfReference, burn: 'whole', feePpm, rentalShare, potUsd };
}

/**
 * The same attack on another rule: a fixed part of the pot, shared among classes by smoothed revenue share. The owner of 60 % of H200 rents all idle
 * units to themselves; a harness that does not find this profitable finds nothing.
 */
export function washOfRevenueShare(concentration: number, feePart: number): number {
  const activeUsd = 0.2 * POT_USD;
  const model = CLASSES.find(({ gpuClass }) => gpuClass === 'H200')!;
  const revenue = (own: (typeof CLASSES)[number]): number => own.demandUnits * own.priceUsd * EPOCH_HOURS;
  const others = CLASSES.reduce((sum, own) => sum + revenue(own), 0);
  let best = 0;
  for (let part = 0.05; part <= 1; part += 0.05) {
    const fake = model.demandUnits * 1.5 * concentration * part * model.priceUsd * EPOCH_HOURS;
    let [share, honest, gained, cost] = [revenue(model) / others, revenue(model) / others, 0, 0];
    for (let epoch = 0; epoch < 80; epoch += 1) {
      const fakeNow = epoch < 20 ? fake : 0;
      const target = (revenue(model) + fakeNow) / (others + fakeNow);
      share += 0.5 * (target - share);
      honest += 0.5 * (revenue(model) / others - honest);
      gained += activeUsd * (share - honest) * concentration;
      cost += fakeNow * feePart;
    }
    best = Math.max(best, gained / cost);
  }
  return best;
}

/**
 * Gain by cost of who owns a whole class when demand waits in the filter as unit-hours and is paid at the later price, which rises by 2 % an hour:
 * the form that ours replaces, in which it waits as money.
 */
export function washOfWaitingHours(): number {
  let [waiting, gain, cost] = [0, 0, 0];
  for (let epoch = 0; epoch < 80; epoch += 1) {
    const price = 1.02 ** (EPOCH_HOURS * Math.min(epoch, 40));
    if (epoch < 20) {
      waiting += 1;
      cost += price * 0.1;
    }
    const paid = waiting / 4;
    waiting -= paid;
    gain += paid * price * 0.08;
  }
  return gain / cost;
}
