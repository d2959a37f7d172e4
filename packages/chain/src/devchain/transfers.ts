/** Money that moves: `Balances.transfer_keep_alive`, and the faucet that only a devchain has. */
import type { Ss58 } from '../keys/ss58.ts';
import type { Rao } from '../subnet-chain.ts';
import { done, refuse, type Applied } from './applied.ts';
import { accountOf, withAccount, type ChainState } from './state.ts';

/** What the faucet gives at most at once: a million TAO. */
export const LARGEST_FAUCET_RAO = 1_000_000n * 1_000_000_000n;
/** Total issuance stays below this, as amounts are u64. */
const LARGEST_ISSUANCE = 1n << 63n;

/** Moves rao; the sender's account stays alive (`NotExpendable`), a new one must reach the deposit (`BelowMinimum`). */
export function transfer(state: ChainState, from: Ss58, to: Ss58, amount: Rao): Applied {
  const { existentialDeposit } = state.genesis;
  const sender = accountOf(state, from);
  if (sender.free < amount) return refuse('FundsUnavailable');
  if (sender.free - amount < existentialDeposit) return refuse('NotExpendable');
  const paid = withAccount(state, from, { ...sender, free: sender.free - amount });
  const recipient = accountOf(paid, to);
  if (recipient.free + amount < existentialDeposit) return refuse('BelowMinimum');
  return done(withTransfer(withAccount(paid, to, { ...recipient, free: recipient.free + amount }), from, to, amount));
}

/** Makes new rao for development. `AmountTooLow` and `Overflow` bound it. */
export function faucet(state: ChainState, to: Ss58, amount: Rao): Applied {
  const recipient = accountOf(state, to);
  if (recipient.free + amount < state.genesis.existentialDeposit) return refuse('AmountTooLow');
  if (amount > LARGEST_FAUCET_RAO || state.totalIssuance + amount >= LARGEST_ISSUANCE) return refuse('Overflow');
  const minted = { ...state, totalIssuance: state.totalIssuance + amount };
  return done(withAccount(minted, to, { ...recipient, free: recipient.free + amount }));
}

function withTransfer(state: ChainState, from: Ss58, to: Ss58, amount: Rao): ChainState {
  const { open } = state;
  const transfers = [...open.transfers, { from, to, amount, eventIndex: open.transfers.length }];
  return { ...state, open: { ...open, transfers } };
}
