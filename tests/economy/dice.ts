/** Chances of the model market, on top of the repeatable streams of the attack suite. */
import { randomStream } from '../attacks/random.ts';

/** Numbers and choices of one run. */
export interface Dice {
  /** From 0 to below 1. */
  next(): number;
  between(least: number, below: number): number;
  /** A whole number, both ends included. */
  whole(least: number, most: number): number;
  /** Standard normal. */
  normal(): number;
  /** Exponential with this mean. */
  waiting(mean: number): number;
  pick<T>(items: readonly T[]): T;
}

/** Dice that belong to these names: equal names, equal throws. */
export function diceOf(...names: readonly (string | number)[]): Dice {
  const stream = randomStream('economy', ...names);
  return {
    next: stream.unit,
    between: (least, below) => least + stream.unit() * (below - least),
    whole: (least, most) => least + stream.below(most - least + 1),
    normal: () => stream.normal(0, 1),
    waiting: (mean) => -mean * Math.log(1 - stream.unit()),
    pick: (items) => items[stream.below(items.length)]!,
  };
}
