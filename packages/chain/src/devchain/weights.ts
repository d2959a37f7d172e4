/** Weights that are set, or revealed after a commit, with the pallet's checks in the pallet's order. */
import type { Ss58 } from '../keys/ss58.ts';
import type { WeightsRow } from '../subnet-chain.ts';
import { upscaleWeightsRow } from '../weights-row.ts';
import { done, refuse, type Applied } from './applied.ts';
import { stakeOf, uidOf, withNeuron, type ChainState } from './state.ts';

/** Plain weights: refused where the subnet asks for commits. The rate limit counts from the last row that was set, not from the registration. */
export function setWeights(state: ChainState, hotkey: Ss58, row: WeightsRow, versionKey: bigint): Applied {
  if (state.genesis.commitReveal) return refuse('CommitRevealEnabled');
  const block = state.head.number + 1;
  const stored = storeWeights(state, hotkey, row, versionKey, true);
  if (!stored.ok) return stored;
  const uid = uidOf(state, hotkey);
  const neuron = stored.state.neurons[uid];
  return neuron === undefined
    ? refuse('HotKeyNotRegisteredInSubNet')
    : done(withNeuron(stored.state, uid, { ...neuron, weightsSetAt: block, lastUpdate: block }));
}

/** Whether the hotkey's last row or commit is so young that another is refused. */
export function isTooFast(state: ChainState, { weightsSetAt }: { weightsSetAt: number }): boolean {
  return weightsSetAt > 0 && state.head.number + 1 - weightsSetAt < state.genesis.weightsRateLimitBlocks;
}

/**
 * Stores a validator's row if it passes. No permit is needed for weight on oneself alone, nor by the owner's hotkey.
 * What was committed is not held against the rate limit again when it is revealed.
 */
export function storeWeights(
  state: ChainState,
  hotkey: Ss58,
  row: WeightsRow,
  versionKey: bigint,
  rateLimited: boolean,
): Applied {
  const { genesis } = state;
  const uid = uidOf(state, hotkey);
  const neuron = state.neurons[uid];
  if (row.length > state.neurons.length) return refuse('UidsLengthExceedUidsInSubNet');
  if (neuron === undefined) return refuse('HotKeyNotRegisteredInSubNet');
  if (stakeOf(state, hotkey) < genesis.stakeThreshold) return refuse('NotEnoughStakeToSetWeights');
  if (versionKey < genesis.weightsVersionKey) return refuse('IncorrectWeightVersionKey');
  if (rateLimited && isTooFast(state, neuron)) return refuse('SettingWeightsTooFast');
  const onlySelf = row.length === 1 && row[0]?.[0] === uid;
  if (!neuron.validatorPermit && !onlySelf && hotkey !== genesis.ownerHotkey) return refuse('NeuronNoValidatorPermit');
  if (new Set(row.map(([target]) => target)).size !== row.length) return refuse('DuplicateUids');
  if (row.some(([target]) => target >= state.neurons.length)) return refuse('UidVecContainInvalidOne');
  if (!onlySelf && row.length < genesis.minAllowedWeights) return refuse('WeightVecLengthIsLow');
  return done(withNeuron(state, uid, { ...neuron, weights: upscaleWeightsRow(row) }));
}
