/** When a disk is what it is sold as: how much is written, how long reads may take, and which mistakes are whose. */

/** Bytes of one disk block; the same as in the proof room. */
const BLOCK_BYTES = 65_536;

/** The rule of reads. A walk is a chain of reads, each chosen by the answer before, so the path counts once and the disk `hopsPerWalk` times. */
export const DISK_RULE = {
  hopsPerWalk: 16,
  walks: 4,
  /** What one read of 64 KiB may take on average, hashing included: an SSD needs a tenth, a spinning disk twice as long. */
  readLimitMs: 5,
  marginMs: 50,
  rttCreditMaxMs: 300,
  /** Walks that may be late: one stall is no slow disk. */
  lateWalksAllowed: 1,
} as const;

/** The share of the sold disk that is written at most: what a filesystem itself needs is not sold twice. */
const WRITTEN_SHARE = 0.9;

/**
 * How many blocks are written: as the budget says, and no more than the tested units' share of the sold disk. At least one.
 *
 * @param testedUnits units of the lease, of `allUnits` of the machine
 */
export function diskBlocksToWrite(ask: {
  soldBytes: number;
  testedUnits: number;
  allUnits: number;
  budgetBytes: number;
}): number {
  const shareBytes = (ask.soldBytes * ask.testedUnits * WRITTEN_SHARE) / Math.max(1, ask.allUnits);
  return Math.max(1, Math.floor(Math.min(ask.budgetBytes, shareBytes) / BLOCK_BYTES));
}

/** How long one walk may take on the validator's clock, in milliseconds. */
export function walkLimitMs(hops: number, rttMinMs: number): number {
  return hops * DISK_RULE.readLimitMs + Math.min(Math.max(0, rttMinMs), DISK_RULE.rttCreditMaxMs) + DISK_RULE.marginMs;
}

/** What was seen of one walk; `arrivalsMs` count from the question, on the validator's clock. */
export interface SeenWalk {
  arrivalsMs: readonly number[];
  /** Answers that are not what the blocks give; null when they were not computed. */
  wrong: number | null;
  /** Our own event loop stalled for so long that lateness says nothing about the disk. */
  excused: boolean;
}

export type DiskVerdict =
  | { verdict: 'pass'; code: 'OK' }
  | { verdict: 'fail'; code: 'DISK_FAULT' | 'DISK_SHORT' | 'DISK_WRONG_DATA' | 'DISK_SLOW' }
  | { verdict: 'not-tested'; code: 'VALIDATOR_STALLED' };

/** The verdict on a disk. Wrong data counts before slow data, and both before what a stall of ours excuses. */
export function judgeDisk(seen: {
  askedBlocks: number;
  writtenBlocks: number;
  /** The disk took no more. */
  full: boolean;
  walks: readonly SeenWalk[];
  rttMinMs: number;
}): DiskVerdict {
  if (seen.full && seen.writtenBlocks < seen.askedBlocks) return { verdict: 'fail', code: 'DISK_SHORT' };
  if (seen.writtenBlocks < 1 || seen.walks.length < DISK_RULE.walks) return { verdict: 'fail', code: 'DISK_FAULT' };
  if (seen.walks.some((walk) => walk.wrong !== 0)) return { verdict: 'fail', code: 'DISK_WRONG_DATA' };
  const late = seen.walks.filter((walk) => lastOf(walk) > walkLimitMs(walk.arrivalsMs.length, seen.rttMinMs));
  if (late.length <= DISK_RULE.lateWalksAllowed) return { verdict: 'pass', code: 'OK' };
  const unexcused = late.filter((walk) => !walk.excused);
  if (unexcused.length > DISK_RULE.lateWalksAllowed) return { verdict: 'fail', code: 'DISK_SLOW' };
  return { verdict: 'not-tested', code: 'VALIDATOR_STALLED' };
}

/** Percentiles of the time from one answer to the next, in hundredths of a millisecond rounded; the first answer of a walk also carries the path. */
export function readLatencies(walks: readonly SeenWalk[]): { p50Ms: number; p90Ms: number; p99Ms: number } {
  const gaps = walks
    .flatMap(({ arrivalsMs }) => arrivalsMs.slice(1).map((at, i) => at - (arrivalsMs[i] ?? 0)))
    .sort((a, b) => a - b);
  const at = (share: number): number => {
    const gap = gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] ?? 0;
    return Math.round(gap * 100) / 100;
  };
  return { p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}

/**
 * The share of blocks that a disk may lack and still be in time by making them again: it has `readLimitMs` per read, and a block costs
 * `remakeMs` however many cores or GPUs there are.
 */
export function undetectedShare(remakeMs: number, readMs: number): number {
  return Math.min(1, Math.max(0, (DISK_RULE.readLimitMs - readMs) / remakeMs));
}

function lastOf(walk: SeenWalk): number {
  return walk.arrivalsMs.at(-1) ?? Infinity;
}
