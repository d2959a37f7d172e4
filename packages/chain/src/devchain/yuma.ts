/** Yuma consensus as the chain runs it at an epoch, for one mechanism: weights clipped at the stake's majority, incentive from what is left, dividends from bonds. */

/** A validator: who weighs, how much stake stands behind it, and what it held of others before. */
export interface YumaValidator {
  readonly uid: number;
  /** Any unit; only proportions count. */
  readonly stake: number;
  /** `[uid, weight]`, any unit per row; what may not count is left out already. */
  readonly weights: ReadonlyArray<readonly [number, number]>;
  /** `[uid, share]`: shares of what was bonded to that uid. */
  readonly bonds: ReadonlyArray<readonly [number, number]>;
}

/** Shares by uid, each list adding up to 1 or 0; and the validators' new bonds. */
export interface YumaResult {
  readonly incentive: ReadonlyMap<number, number>;
  readonly dividends: ReadonlyMap<number, number>;
  readonly bonds: ReadonlyMap<number, ReadonlyArray<readonly [number, number]>>;
}

/** The majority that decides a weight, and how much of the new bonds count (the chain's defaults). */
export const KAPPA = 0.5;
const BONDS_STEP = 0.1;

/** One epoch. Validators without stake count for nothing. */
export function runYuma(all: readonly YumaValidator[]): YumaResult {
  const totalStake = all.reduce((sum, { stake }) => sum + stake, 0);
  const validators = all
    .filter(({ stake }) => stake > 0)
    .map((one) => ({ ...one, stake: one.stake / totalStake, weights: normalize(new Map(one.weights)) }));
  const targets = [...new Set(validators.flatMap(({ weights }) => [...weights.keys()]))].toSorted((a, b) => a - b);
  const rank = new Map<number, number>();
  const bonded = validators.map((): Map<number, number> => new Map());
  for (const target of targets) {
    const given = validators.map(({ weights }) => weights.get(target) ?? 0);
    const consensus = weightedMedian(
      given,
      validators.map(({ stake }) => stake),
    );
    const clipped = given.map((weight, index) => Math.min(weight, consensus) * (validators[index]?.stake ?? 0));
    const total = clipped.reduce((sum, part) => sum + part, 0);
    rank.set(target, total);
    clipped.forEach((part, index) => {
      if (total > 0 && part > 0) bonded[index]?.set(target, part / total);
    });
  }
  const incentive = normalize(rank);
  const bonds = moveBonds(
    validators.map(({ bonds: held }) => new Map(held)),
    bonded,
  );
  const dividends = new Map<number, number>();
  validators.forEach(({ uid }, index) => {
    const earned = [...(bonds[index] ?? [])].reduce(
      (sum, [target, share]) => sum + share * (incentive.get(target) ?? 0),
      0,
    );
    dividends.set(uid, earned);
  });
  return {
    incentive,
    dividends: normalize(dividends),
    bonds: new Map(validators.map(({ uid }, index) => [uid, [...(bonds[index] ?? [])]])),
  };
}

/** The largest weight that stake above one half stands behind: the first, from below, at which more than the rest is reached. */
function weightedMedian(weights: readonly number[], stakes: readonly number[]): number {
  const order = weights
    .map((weight, index) => ({ weight, stake: stakes[index] ?? 0 }))
    .toSorted((a, b) => a.weight - b.weight);
  let below = 0;
  for (const { weight, stake } of order) {
    below += stake;
    if (below > 1 - KAPPA) return weight;
  }
  return order.at(-1)?.weight ?? 0;
}

/** A step towards the new bonds; then the shares of each target add up to 1 again. */
function moveBonds(
  old: ReadonlyArray<ReadonlyMap<number, number>>,
  fresh: ReadonlyArray<ReadonlyMap<number, number>>,
): Array<Map<number, number>> {
  const moved = fresh.map((of, index) => {
    const before = old[index] ?? new Map<number, number>();
    const targets = new Set([...before.keys(), ...of.keys()]);
    return new Map(
      [...targets].map((target) => [
        target,
        (1 - BONDS_STEP) * (before.get(target) ?? 0) + BONDS_STEP * (of.get(target) ?? 0),
      ]),
    );
  });
  const totals = new Map<number, number>();
  for (const held of moved) for (const [target, share] of held) totals.set(target, (totals.get(target) ?? 0) + share);
  return moved.map(
    (held) =>
      new Map(
        [...held]
          .map(([target, share]): [number, number] => [target, share / (totals.get(target) || 1)])
          // What has all but faded is forgotten, as the chain's 16 bits forget it.
          .filter(([, share]) => share > 1 / 65_535)
          .toSorted(([a], [b]) => a - b),
      ),
  );
}

function normalize(values: ReadonlyMap<number, number>): Map<number, number> {
  const total = [...values.values()].reduce((sum, value) => sum + value, 0);
  return new Map([...values].map(([key, value]) => [key, total > 0 ? value / total : 0]));
}
