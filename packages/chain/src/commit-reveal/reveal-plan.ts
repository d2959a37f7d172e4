/** When committed weights are revealed: the chain's own epoch arithmetic, for both kinds of commit. */
import type { RandomBytes } from '../keys/key-pair.ts';
import type { BlockRef, EpochSchedule, HashedWeightsSecret, WeightsReceipt } from '../subnet-chain.ts';
import { firstRoundFrom, type Beacon } from './drand.ts';

/** Blocks after the reveal epoch's first one at which the round is out: never before it, so that nobody reads the row in time to copy it. */
const ROUND_AFTER_BLOCKS = 3;

/** What a commit that is included in the next block will meet. */
export interface RevealPlan {
  /** Epoch that the commit counts for. */
  readonly epoch: number;
  readonly revealEpoch: number;
  readonly expectedRevealBlock: number;
  readonly revealRound: number;
}

/**
 * The epoch of something that goes into block `blockNumber`: in the very block of an epoch it counts for the next one,
 * as the pallet looks ahead.
 */
export function epochOfBlock(schedule: EpochSchedule, blockNumber: number): number {
  return schedule.epochIndex + (blockNumber >= schedule.nextEpochBlock ? 1 : 0);
}

/** Plans a commit for the block after `best`. Block times are taken as `blockMs` apart. */
export function planReveal(
  schedule: EpochSchedule,
  revealPeriodEpochs: number,
  best: BlockRef,
  blockMs: number,
  beacon: Beacon,
): RevealPlan {
  const epoch = epochOfBlock(schedule, best.number + 1);
  const firstEnd = Math.max(schedule.nextEpochBlock, best.number + 1);
  const ahead = epoch - schedule.epochIndex + revealPeriodEpochs - 1;
  const firstBlock = firstEnd + ahead * schedule.tempo;
  // Where an epoch is shorter than the margin, the round must still come before the reveal epoch is over.
  const margin = Math.min(ROUND_AFTER_BLOCKS, Math.max(0, Math.floor(schedule.tempo / 2)));
  const expectedRevealBlock = firstBlock + margin;
  const revealRound = firstRoundFrom(best.timeMs + (expectedRevealBlock - best.number) * blockMs, beacon);
  return { epoch, revealEpoch: epoch + revealPeriodEpochs, expectedRevealBlock: expectedRevealBlock + 1, revealRound };
}

/** A salt of eight u16 for a hashed commit. */
export function newSalt(randomBytes: RandomBytes): number[] {
  const bytes = randomBytes(16);
  return Array.from({ length: 8 }, (_, index) => (bytes[index * 2] ?? 0) | ((bytes[index * 2 + 1] ?? 0) << 8));
}

/**
 * The part of a receipt that depends on how the row was given: the epoch by the block that included it, and for a
 * commit the reveal that follows from it. `schedule` is that of the block.
 */
export function describeCommit(
  { plan, secret }: { plan?: RevealPlan; secret?: HashedWeightsSecret },
  schedule: EpochSchedule,
  block: BlockRef,
): Pick<
  Extract<WeightsReceipt, { ok: true }>,
  'mode' | 'epoch' | 'block' | 'revealRound' | 'revealEpoch' | 'expectedRevealBlock' | 'secret'
> {
  // After the block of an epoch the index has grown already: what went into it counts for the new one.
  const epoch = schedule.epochIndex;
  if (plan === undefined) return { mode: 'plain', epoch, block };
  const shift = epoch - plan.epoch;
  const reveal = {
    revealEpoch: plan.revealEpoch + shift,
    expectedRevealBlock: plan.expectedRevealBlock + shift * schedule.tempo,
  };
  return secret === undefined
    ? { mode: 'timelocked', epoch, block, ...reveal, revealRound: plan.revealRound }
    : { mode: 'hashed', epoch, block, ...reveal, secret };
}
