/** The devchain's state as a `SubnetChain` reader sees it. */
import { commitDigest } from '../commit-reveal/weights-payload.ts';
import { fromHex } from '../keys/bytes.ts';
import type { Ss58 } from '../keys/ss58.ts';
import type { AnchoredLogHead, Neuron, PendingWeights, SubnetParams } from '../subnet-chain.ts';
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
    commitReveal: { enabled: genesis.commitReveal, version: 4, revealPeriodEpochs: genesis.revealPeriodEpochs },
    burnMode: genesis.burnMode,
    minerBurned: state.minerBurned,
    alphaOut: state.pool.alphaOut,
    registrationCost: state.registrationCost,
    existentialDeposit: genesis.existentialDeposit,
  };
}

/** The metagraph, with shares and alpha of the last epoch. */
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
      incentive: neuron.incentive,
      dividends: neuron.dividends,
      emission: neuron.emission,
      ...(neuron.axon === undefined ? {} : { axon: neuron.axon }),
    };
  });
}

/** What a hotkey has committed and not revealed, oldest first. */
export function viewPending(state: ChainState, hotkey: Ss58): PendingWeights[] {
  return state.commits
    .filter((one) => one.hotkey === hotkey)
    .map(({ mode, epoch, block, commit, round }) => ({
      mode,
      epoch,
      block,
      digest: mode === 'hashed' ? commit : commitDigest(fromHex(commit) ?? new Uint8Array()),
      ...(mode === 'timelocked' ? { revealRound: round } : {}),
    }));
}

/** The log head that a hotkey has anchored, if any. */
export function viewAnchor(state: ChainState, hotkey: Ss58): AnchoredLogHead | null {
  const anchor = state.anchors[hotkey];
  return anchor === undefined ? null : { height: anchor.height, hash: anchor.hash, block: anchor.block };
}
