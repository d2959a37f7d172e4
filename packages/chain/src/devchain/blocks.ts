/** Sealing a block: its hash, the epoch when it is due, the moving averages. A pure function of state and time. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '@celium/contract';
import type { Transfer } from '../subnet-chain.ts';
import { withReveals } from './commits.ts';
import { withEmission, withIssuedAlpha } from './emission.ts';
import { scheduleOf } from './schedule.ts';
import { withPermits } from './staking.ts';
import { raoPerAlpha, type ChainState } from './state.ts';

/** Blocks over which the price's moving average follows the price. */
const EMA_BLOCKS = 100n;

/** A sealed block: the state after it, and what happened in it. */
export interface SealedBlock {
  readonly state: ChainState;
  readonly operations: readonly string[];
  readonly transfers: readonly Transfer[];
}

/** Seals the open block. Its time is `timeMs`, but always later than its parent's. */
export function sealBlock(before: ChainState, timeMs: number): SealedBlock {
  const { operations, transfers } = before.open;
  const number = before.head.number + 1;
  const time = Math.max(Math.floor(timeMs), before.head.timeMs + 1);
  const hash = createHash('sha256')
    .update(canonicalJson({ parent: before.head.hash, number, timeMs: time, operations }))
    .digest('hex');
  const { pool } = before;
  const ema = (pool.emaRaoPerAlpha * (EMA_BLOCKS - 1n) + raoPerAlpha(pool.tao, pool.alpha)) / EMA_BLOCKS;
  const sealed: ChainState = {
    ...withReveals(before, time),
    head: { number, hash, timeMs: time },
    finalized: Math.max(before.finalized, number - before.genesis.finalityLagBlocks),
    pool: { ...pool, emaRaoPerAlpha: ema },
    open: { operations: [], transfers: [] },
  };
  const issued = withIssuedAlpha(sealed);
  return { state: number >= scheduleOf(before).nextEpochBlock ? withEpoch(issued) : issued, operations, transfers };
}

function withEpoch(state: ChainState): ChainState {
  const floor = state.genesis.registrationCost;
  const lowered = state.registrationCost - state.registrationCost / 8n;
  return {
    ...withPermits(withEmission(state)),
    registrationCost: lowered > floor ? lowered : floor,
    epoch: { index: state.epoch.index + 1, lastBlock: state.head.number },
  };
}
