/** The devchain's state as a `SubnetChain` reader sees it. */
import type { Neuron, SubnetParams } from '../subnet-chain.ts';
import { stakeOf, type ChainState } from './state.ts';

/** Hyperparameters and owner. */
export function viewSubnet(state: ChainState): SubnetParams {
  const { genesis } = state;
  return {
    netuid: genesis.netuid,
    ownerColdkey: genesis.ownerColdkey,
    ownerHotkey: genesis.ownerHotkey,
    tempo: genesis.tempo,
    maxUids: genesis.maxUids,
    maxValidators: genesis.maxValidators,
    immunityPeriodBlocks: genesis.immunityPeriodBlocks,
    minAllowedWeights: genesis.minAllowedWeights,
    weightsRateLimitBlocks: genesis.weightsRateLimitBlocks,
    weightsVersionKey: genesis.weightsVersionKey,
    stakeThreshold: genesis.stakeThreshold,
    servingRateLimitBlocks: genesis.servingRateLimitBlocks,
    activityCutoffBlocks: genesis.activityCutoffBlocks,
    commitReveal: { enabled: false, version: 4, revealPeriodEpochs: 1 },
    burnMode: genesis.burnMode,
    registrationCost: state.registrationCost,
    existentialDeposit: genesis.existentialDeposit,
  };
}

/** The metagraph. Without Yuma nothing is emitted: incentive, dividends and emission are 0. */
export function viewNeurons(state: ChainState): Neuron[] {
  return state.neurons.map((neuron, uid) => {
    const alphaStake = stakeOf(state, neuron.hotkey);
    return {
      uid,
      hotkey: neuron.hotkey,
      coldkey: neuron.coldkey,
      alphaStake,
      taoStake: 0n,
      totalStake: alphaStake,
      validatorPermit: neuron.validatorPermit,
      active: state.head.number - neuron.lastUpdate < state.genesis.activityCutoffBlocks,
      lastUpdate: neuron.lastUpdate,
      registeredAt: neuron.registeredAt,
      incentive: 0,
      dividends: 0,
      emission: 0n,
      ...(neuron.axon === undefined ? {} : { axon: neuron.axon }),
    };
  });
}
