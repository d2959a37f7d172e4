/** Which answers of a step a cheat leaves out: a share of them, exactly, by lot. */
import { answerCount } from '@celium/proof';
import type { RandomStream } from '../random.ts';
import type { StepAtHand } from './prover.ts';

/** The numbers of the answers that are left out. What is left over of a whole answer is left out by lot, so that the share holds on average over a chain. */
export function skippedOf({ sizes, kind, random }: StepAtHand, share: number): number[] {
  const count = answerCount(sizes, kind);
  return pick(count, Math.floor(count * share + random.unit()), random);
}

/** `wanted` different numbers below `count`. */
function pick(count: number, wanted: number, random: RandomStream): number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  for (let i = 0; i < wanted; i++) {
    const other = i + random.below(count - i);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.slice(0, wanted);
}
