/** What an epoch pays: Yuma over the stored weights, 18 % for the owner, half of the rest each for miners and validators; what miners' incentive goes to the owner is burned or recycled. */
import type { Ss58 } from '../keys/ss58.ts';
import type { Rao } from '../subnet-chain.ts';
import { withStake } from './staking.ts';
import { stakeOf, type ChainState, type NeuronState, type PendingEmission } from './state.ts';
import { runYuma, type YumaValidator } from './yuma.ts';

/** The owner's share, of 65,535. */
const OWNER_CUT = 11_796n;
const U16 = 65_535;
/** Shares are taken with so many binary digits. */
const SHARE_BITS = 48;

/** The state with a block's alpha issued and set aside. */
export function withIssuedAlpha(state: ChainState): ChainState {
  const { alphaPerBlock } = state.genesis;
  if (alphaPerBlock === 0n) return state;
  const owner = (alphaPerBlock * OWNER_CUT) / 65_535n;
  const miners = (alphaPerBlock - owner) / 2n;
  const { pending, pool } = state;
  return {
    ...state,
    pool: { ...pool, alphaOut: pool.alphaOut + alphaPerBlock },
    pending: {
      owner: pending.owner + owner,
      miners: pending.miners + miners,
      validators: pending.validators + (alphaPerBlock - owner - miners),
    },
  };
}

/**
 * The state after an epoch's consensus and payments. Where nobody has weights that count, miners' and validators' parts
 * wait for the next epoch.
 */
export function withEmission(state: ChainState): ChainState {
  const { neurons, genesis } = state;
  const { incentive, dividends, bonds } = runYuma(validatorsOf(state));
  const ofOwner = (neuron: NeuronState): boolean => neuron.coldkey === genesis.ownerColdkey;
  const shared =
    [...incentive.values()].some((share) => share > 0) && [...dividends.values()].some((share) => share > 0);
  const pots: PendingEmission = shared ? state.pending : { owner: state.pending.owner, miners: 0n, validators: 0n };
  let next: ChainState = state;
  let paid = 0n;
  let withheld = 0n;
  let withheldShare = 0;
  const pay = (hotkey: Ss58, coldkey: Ss58, amount: Rao): void => {
    if (amount === 0n) return;
    next = withStake(next, hotkey, coldkey, (next.stakes[hotkey]?.[coldkey] ?? 0n) + amount);
    paid += amount;
  };
  const updated = neurons.map((neuron, uid): NeuronState => {
    const [earned, divided] = [incentive.get(uid) ?? 0, dividends.get(uid) ?? 0];
    const mined = part(pots.miners, earned);
    const validated = part(pots.validators, divided);
    if (ofOwner(neuron)) {
      withheld += mined;
      withheldShare += earned;
      pay(neuron.hotkey, neuron.coldkey, validated);
    } else {
      pay(neuron.hotkey, neuron.coldkey, mined + validated);
    }
    return {
      ...neuron,
      incentive: Math.floor(earned * U16),
      dividends: Math.floor(divided * U16),
      emission: mined + validated,
      bonds: bonds.get(uid) ?? [],
    };
  });
  pay(genesis.ownerHotkey, genesis.ownerColdkey, pots.owner);
  const { pool, pending } = next;
  const left = pending.owner + pending.miners + pending.validators - paid - withheld;
  return {
    ...next,
    neurons: updated,
    minerBurned: withheldShare,
    // Roundings stay with the miners' part, so that no rao is lost.
    pending: { owner: 0n, validators: shared ? 0n : pending.validators, miners: shared ? left : pending.miners },
    pool:
      genesis.burnMode === 'recycle'
        ? { ...pool, alphaOut: pool.alphaOut - withheld }
        : { ...pool, alphaBurned: pool.alphaBurned + withheld },
  };
}

/** Active permit holders with their rows, less what may not count: oneself (but for the owner), and slots taken over since. */
function validatorsOf(state: ChainState): YumaValidator[] {
  const { neurons, genesis, head } = state;
  return neurons.flatMap((neuron, uid): YumaValidator[] => {
    const active = head.number - neuron.lastUpdate < genesis.activityCutoffBlocks;
    if (!neuron.validatorPermit || !active) return [];
    const counts = ([target]: readonly [number, number]): boolean => {
      const registeredAt = neurons[target]?.registeredAt ?? Infinity;
      return registeredAt < neuron.weightsSetAt && (target !== uid || neuron.hotkey === genesis.ownerHotkey);
    };
    const kept = neuron.bonds.filter(
      ([target]) => (neurons[target]?.registeredAt ?? Infinity) <= state.epoch.lastBlock,
    );
    return [{ uid, stake: Number(stakeOf(state, neuron.hotkey)), weights: neuron.weights.filter(counts), bonds: kept }];
  });
}

/** A share of an amount, rounded down. */
function part(amount: Rao, share: number): Rao {
  return (amount * BigInt(Math.floor(share * 2 ** SHARE_BITS))) >> BigInt(SHARE_BITS);
}
