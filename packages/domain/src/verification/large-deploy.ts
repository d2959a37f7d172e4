/** Who really deploys a large official template on a machine, and when: one validator of those assigned, once in a week, by a draw that nobody chooses. */

/** Blocks in a week at 12 seconds each: the week of this rule. */
export const WEEK_BLOCKS = 50_400;
/** The share of the week in which a deploy may begin: what begins late must still end in it. */
const START_BLOCKS = Math.floor((WEEK_BLOCKS * 6) / 7);
/** A failed deploy is repeated after this, until it passes: the machine then stands at zero anyway. Milliseconds. */
export const DEPLOY_RETRY_MS = 24 * 3_600_000;

/** The number of the week that a block is in. The hash of the week's first block is what the draw is made of. */
export function weekOfBlock(block: number): number {
  return Math.floor(block / WEEK_BLOCKS);
}

/**
 * Whose turn the machine is in a week, and from which block on; null when nobody is assigned.
 *
 * @param draw at least 8 bytes of a hash over the week's first block hash and the machine key
 * @param assigned keys of the validators assigned to the machine; their order does not matter
 */
export function largeDeployTurn(
  week: number,
  draw: Uint8Array,
  assigned: readonly string[],
): { validator: string; fromBlock: number } | null {
  const keys = [...new Set(assigned)].sort();
  const validator = keys[wordOf(draw, 0) % Math.max(1, keys.length)];
  if (validator === undefined) return null;
  return { validator, fromBlock: week * WEEK_BLOCKS + (wordOf(draw, 4) % START_BLOCKS) };
}

/** The last large deploy that a validator made on a machine. */
export interface LastDeploy {
  /** The block at which it began. */
  block: number;
  atMs: number;
  verdict: 'pass' | 'fail';
}

/** Whether `self` deploys now: its turn has come, and this week has no deploy of its own yet, or a failed one that is a day old. */
export function mayDeployNow(
  ask: { self: string; block: number; nowMs: number; draw: Uint8Array; assigned: readonly string[] },
  last: LastDeploy | null,
): boolean {
  const week = weekOfBlock(ask.block);
  const turn = largeDeployTurn(week, ask.draw, ask.assigned);
  if (turn === null || turn.validator !== ask.self || ask.block < turn.fromBlock) return false;
  if (last === null || weekOfBlock(last.block) !== week) return true;
  return last.verdict === 'fail' && ask.nowMs - last.atMs >= DEPLOY_RETRY_MS;
}

/** How fast an image has to come, bytes per second, and what starting it may take besides. */
const LEAST_PULL_BYTES_PER_SECOND = 25_000_000;
const START_MS = 120_000;

/** How long a deploy of `bytes` may take from grant to ready, within what a check may hold a machine at all. */
export function deployLimitMs(bytes: number, checkTermMs: number): number {
  return Math.min(START_MS + (bytes / LEAST_PULL_BYTES_PER_SECOND) * 1000, checkTermMs * 0.8);
}

/** A number from 0 to n - 1 out of four bytes of a draw. */
export function drawIndex(draw: Uint8Array, at: number, n: number): number {
  return wordOf(draw, at) % Math.max(1, n);
}

function wordOf(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}
