/** Alpha: bought from a constant-product pool and staked, burned or recycled; and who may validate by it. */
import type { Ss58 } from '../keys/ss58.ts';
import type { Rao } from '../subnet-chain.ts';
import { done, refuse, type Applied } from './applied.ts';
import { accountOf, stakeOf, withAccount, type ChainState } from './state.ts';

/** Swaps TAO for alpha (no fee, no balancer weight) and stakes it to a hotkey. */
export function addStake(state: ChainState, coldkey: Ss58, hotkey: Ss58, amount: Rao): Applied {
  const account = accountOf(state, coldkey);
  if (state.owners[hotkey] === undefined) return refuse('HotKeyAccountNotExists');
  if (amount < state.genesis.minStake) return refuse('AmountTooLow');
  if (account.free - amount < state.genesis.existentialDeposit) return refuse('NotEnoughBalanceToStake');
  const { pool } = state;
  const tao = pool.tao + amount;
  // Rounded up, in the pool's favour: the product of the reserves never shrinks.
  const alphaLeft = (pool.alpha * pool.tao + tao - 1n) / tao;
  const bought = pool.alpha - alphaLeft;
  if (bought <= 0n) return refuse('InsufficientLiquidity');
  const paid = withAccount(state, coldkey, { ...account, free: account.free - amount });
  const staked = withStake(paid, hotkey, coldkey, (state.stakes[hotkey]?.[coldkey] ?? 0n) + bought);
  return done({ ...staked, pool: { ...pool, tao, alpha: alphaLeft, alphaOut: pool.alphaOut + bought } });
}

/** Moves staked alpha to another coldkey, on the same hotkey and subnet. */
export function transferAlpha(state: ChainState, coldkey: Ss58, hotkey: Ss58, to: Ss58, amount: Rao): Applied {
  if (state.owners[hotkey] === undefined) return refuse('HotKeyAccountNotExists');
  const staked = state.stakes[hotkey]?.[coldkey] ?? 0n;
  if (amount === 0n) return refuse('AmountTooLow');
  if (amount > staked) return refuse('NotEnoughStakeToWithdraw');
  const taken = withStake(state, hotkey, coldkey, staked - amount);
  return done(withStake(taken, hotkey, to, (taken.stakes[hotkey]?.[to] ?? 0n) + amount));
}

/** Takes staked alpha out of use: recycled alpha may be issued again, burned alpha still counts as issued. */
export function retireAlpha(
  state: ChainState,
  coldkey: Ss58,
  hotkey: Ss58,
  amount: Rao,
  how: 'burn' | 'recycle',
): Applied {
  if (state.owners[hotkey] === undefined) return refuse('HotKeyAccountNotExists');
  const staked = state.stakes[hotkey]?.[coldkey] ?? 0n;
  if (amount === 0n) return refuse('AmountTooLow');
  if (amount > staked) return refuse('NotEnoughStakeToWithdraw');
  const { pool } = state;
  const retired =
    how === 'recycle'
      ? { ...pool, alphaOut: pool.alphaOut - amount }
      : { ...pool, alphaBurned: pool.alphaBurned + amount };
  return done({ ...withStake(state, hotkey, coldkey, staked - amount), pool: retired });
}

/** Permits at an epoch: the `maxValidators` hotkeys with the most stake, of those that have any and reach the threshold. */
export function withPermits(state: ChainState): ChainState {
  const { maxValidators, stakeThreshold } = state.genesis;
  const permitted = new Set(
    state.neurons
      .map(({ hotkey, registeredAt }, uid) => ({ uid, registeredAt, stake: stakeOf(state, hotkey) }))
      .filter(({ stake }) => stake > 0n && stake >= stakeThreshold)
      .toSorted(
        (a, b) =>
          Number(a.stake < b.stake) - Number(a.stake > b.stake) || a.registeredAt - b.registeredAt || a.uid - b.uid,
      )
      .slice(0, maxValidators)
      .map(({ uid }) => uid),
  );
  return {
    ...state,
    neurons: state.neurons.map((neuron, uid) =>
      neuron.validatorPermit === permitted.has(uid) ? neuron : { ...neuron, validatorPermit: permitted.has(uid) },
    ),
  };
}

/** The state with the alpha of one coldkey on one hotkey replaced. */
export function withStake(state: ChainState, hotkey: Ss58, coldkey: Ss58, amount: Rao): ChainState {
  return { ...state, stakes: { ...state.stakes, [hotkey]: { ...state.stakes[hotkey], [coldkey]: amount } } };
}
