/** Plain weights, with the pallet's checks in the pallet's order. */
import type { Ss58 } from '../keys/ss58.ts';
import type { WeightsRow } from '../subnet-chain.ts';
import { upscaleWeightsRow } from '../weights-row.ts';
import { done, refuse, type Applied } from './applied.ts';
import { stakeOf, uidOf, withNeuron, type ChainState } from './state.ts';

/**
 * Stores a validator's row. No permit is needed for weight on oneself alone, nor by the owner's hotkey. The rate limit
 * counts from the last row that was set, not from the registration.
 */
export function setWeights(state: ChainState, hotkey: Ss58, row: WeightsRow, versionKey: bigint): Applied {
  const { genesis } = state;
  const uid = uidOf(state, hotkey);
  const neuron = state.neurons[uid];
  if (row.length > state.neurons.length) return refuse('UidsLengthExceedUidsInSubNet');
  if (neuron === undefined) return refuse('HotKeyNotRegisteredInSubNet');
  if (stakeOf(state, hotkey) < genesis.stakeThreshold) return refuse('NotEnoughStakeToSetWeights');
  if (versionKey < genesis.weightsVersionKey) return refuse('IncorrectWeightVersionKey');
  const block = state.head.number + 1;
  if (neuron.weightsSetAt > 0 && block - neuron.weightsSetAt < genesis.weightsRateLimitBlocks) {
    return refuse('SettingWeightsTooFast');
  }
  const onlySelf = row.length === 1 && row[0]?.[0] === uid;
  if (!neuron.validatorPermit && !onlySelf && hotkey !== genesis.ownerHotkey) return refuse('NeuronNoValidatorPermit');
  if (new Set(row.map(([target]) => target)).size !== row.length) return refuse('DuplicateUids');
  if (row.some(([target]) => target >= state.neurons.length)) return refuse('UidVecContainInvalidOne');
  if (!onlySelf && row.length < genesis.minAllowedWeights) return refuse('WeightVecLengthIsLow');
  const stored = upscaleWeightsRow(row);
  return done(withNeuron(state, uid, { ...neuron, weights: stored, weightsSetAt: block, lastUpdate: block }));
}
