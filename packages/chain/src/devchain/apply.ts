/** Applying one operation: the checks of the transaction pool, then the call's own rule. Refusals carry the chain's error names. */
import { fromHex } from '../keys/bytes.ts';
import { encodeSs58, type Ss58 } from '../keys/ss58.ts';
import { anchorHead } from './anchors.ts';
import { commitHashed, commitTimelocked, revealWeights } from './commits.ts';
import { done, refuse, type Applied } from './applied.ts';
import { isSignedRight, operationHash, readCall, type DevchainCall, type Operation } from './operations.ts';
import { registerNeuron, serveAxon } from './registration.ts';
import { addStake, retireAlpha, transferAlpha } from './staking.ts';
import { accountOf, withAccount, type ChainState } from './state.ts';
import { faucet, transfer } from './transfers.ts';
import { setWeights } from './weights.ts';

/** Refusals after which the same call may pass: later, or signed again. */
const RETRYABLE = new Set([
  'Stale',
  'Future',
  'AncientBirthBlock',
  'SettingWeightsTooFast',
  'CommittingWeightsTooFast',
  'TooManyUnrevealedCommits',
  'RevealTooEarly',
  'ServingRateLimitExceeded',
  'SpaceLimitExceeded',
]);

/** Calls that a coldkey pays a fee for. */
const PAID: ReadonlySet<DevchainCall['call']> = new Set([
  'register',
  'transfer',
  'addStake',
  'transferAlpha',
  'retireAlpha',
]);

/** Whether a refused call may pass later, or when signed again. */
export function isRetryable(error: string): boolean {
  return RETRYABLE.has(error);
}

/**
 * The state with the operation in its open block. Pool refusals: `BadProof` (signature or chain), `Stale` and `Future`
 * (nonce), `AncientBirthBlock` (too late), `Payment` (fee). A refused operation leaves no trace: unlike on the live
 * chain, none is included and fails there.
 */
export function applyOperation(state: ChainState, operation: Operation, signatureChecked = false): Applied {
  if (operation.genesisHash !== state.genesisHash) return refuse('BadProof');
  if (operation.validUntil < state.head.number + 1) return refuse('AncientBirthBlock');
  const call = readCall(operation);
  const applied =
    call.call === 'faucet'
      ? applyFaucet(state, operation, call)
      : applySigned(state, operation, call, signatureChecked);
  if (!applied.ok) return applied;
  const { open } = applied.state;
  return done({ ...applied.state, open: { ...open, operations: [...open.operations, operationHash(operation)] } });
}

function applyFaucet(
  state: ChainState,
  operation: Operation,
  call: Extract<DevchainCall, { call: 'faucet' }>,
): Applied {
  if (operation.signer !== '' || operation.signature !== '') return refuse('BadProof');
  if (operation.nonce !== state.faucetCount) return refuse(operation.nonce < state.faucetCount ? 'Stale' : 'Future');
  return faucet({ ...state, faucetCount: state.faucetCount + 1 }, call.to, call.amount);
}

function applySigned(state: ChainState, operation: Operation, call: DevchainCall, signatureChecked: boolean): Applied {
  const publicKey = fromHex(operation.signer, 32);
  if (publicKey === null || !(signatureChecked || isSignedRight(operation))) return refuse('BadProof');
  const signer = encodeSs58(publicKey);
  const account = accountOf(state, signer);
  if (operation.nonce !== account.nonce) return refuse(operation.nonce < account.nonce ? 'Stale' : 'Future');
  const fee = PAID.has(call.call) ? state.genesis.feeRao : 0n;
  if (account.free < fee) return refuse('Payment');
  const paid = withAccount({ ...state, totalIssuance: state.totalIssuance - fee }, signer, {
    ...account,
    nonce: account.nonce + 1,
    free: account.free - fee,
  });
  return applyCall(paid, signer, call);
}

function applyCall(state: ChainState, signer: Ss58, call: DevchainCall): Applied {
  switch (call.call) {
    case 'register':
      return registerNeuron(state, signer, call.hotkey, call.maxCost);
    case 'serveAxon':
      return serveAxon(state, signer, call);
    case 'setWeights':
      return setWeights(state, signer, call.row, call.versionKey);
    case 'commitTimelocked':
      return commitTimelocked(state, signer, call.sealed, call.round);
    case 'commitHashed':
      return commitHashed(state, signer, call.hash);
    case 'revealWeights':
      return revealWeights(state, signer, call);
    case 'anchor':
      return anchorHead(state, signer, call);
    case 'transfer':
      return transfer(state, signer, call.to, call.amount);
    case 'addStake':
      return addStake(state, signer, call.hotkey, call.amount);
    case 'transferAlpha':
      return transferAlpha(state, signer, call.hotkey, call.to, call.amount);
    case 'retireAlpha':
      return retireAlpha(state, signer, call.hotkey, call.amount, call.how);
    case 'faucet':
      return refuse('FaucetDisabled');
  }
}
