/** When the devchain's epochs are. */
import type { EpochSchedule } from '../subnet-chain.ts';
import type { ChainState } from './state.ts';

/** When epochs are: `tempo` blocks after the last. The devchain never defers one. */
export function scheduleOf(state: ChainState): EpochSchedule {
  const { tempo } = state.genesis;
  const { index, lastBlock } = state.epoch;
  return {
    tempo,
    lastEpochBlock: lastBlock,
    pendingEpochAt: null,
    epochIndex: index,
    nextEpochBlock: lastBlock + tempo,
  };
}
