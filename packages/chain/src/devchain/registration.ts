/** Slots of the metagraph: burn-priced registration with pruning, and the axon a hotkey serves. */
import { isIP } from 'node:net';
import type { Ss58 } from '../keys/ss58.ts';
import type { Rao } from '../subnet-chain.ts';
import { done, refuse, type Applied } from './applied.ts';
import { accountOf, freshNeuron, stakeOf, uidOf, withAccount, withNeuron, type ChainState } from './state.ts';

/**
 * Registers a hotkey for the current burn price (`RegistrationPriceLimitExceeded` above `maxCost`). On a full subnet
 * the slot with the least stake outside immunity is taken, the oldest of equals; when all are immune, of those. The
 * owner's hotkey is never pruned (`NoNeuronIdAvailable` when there is no other).
 */
export function registerNeuron(state: ChainState, coldkey: Ss58, hotkey: Ss58, maxCost: Rao): Applied {
  const cost = state.registrationCost;
  if (uidOf(state, hotkey) >= 0) return refuse('HotKeyAlreadyRegisteredInSubNet');
  if ((state.owners[hotkey] ?? coldkey) !== coldkey) return refuse('NonAssociatedColdKey');
  if (cost > maxCost) return refuse('RegistrationPriceLimitExceeded');
  const account = accountOf(state, coldkey);
  if (account.free - cost < state.genesis.existentialDeposit) return refuse('NotEnoughBalanceToStake');
  const uid = freeUid(state);
  if (uid < 0) return refuse('NoNeuronIdAvailable');
  const block = state.head.number + 1;
  const neuron = freshNeuron(hotkey, coldkey, block);
  const paid = withAccount(state, coldkey, { ...account, free: account.free - cost });
  const slots =
    uid === paid.neurons.length ? { ...paid, neurons: [...paid.neurons, neuron] } : withNeuron(paid, uid, neuron);
  return done({
    ...slots,
    owners: { ...slots.owners, [hotkey]: coldkey },
    totalIssuance: slots.totalIssuance - cost,
    registrationCost: cost + cost / 8n,
  });
}

/** Serves a hotkey's axon. Loopback and private addresses are allowed here, unlike on the live chain. */
export function serveAxon(
  state: ChainState,
  hotkey: Ss58,
  axon: { ip: string; port: number; protocol: number },
): Applied {
  const uid = uidOf(state, hotkey);
  const neuron = state.neurons[uid];
  if (neuron === undefined) return refuse('HotKeyNotRegisteredInSubNet');
  const version = isIP(axon.ip);
  if (version === 0 || axon.ip === '0.0.0.0' || axon.ip === '255.255.255.255' || axon.ip === '::')
    return refuse('InvalidIpAddress');
  if (axon.port === 0) return refuse('InvalidPort');
  const block = state.head.number + 1;
  if (neuron.axon !== undefined && block - neuron.axon.block < state.genesis.servingRateLimitBlocks) {
    return refuse('ServingRateLimitExceeded');
  }
  const { ip, port, protocol } = axon;
  return done(withNeuron(state, uid, { ...neuron, axon: { ip, port, protocol, block } }));
}

function freeUid(state: ChainState): number {
  const { maxUids, immunityPeriodBlocks, ownerHotkey } = state.genesis;
  if (state.neurons.length < maxUids) return state.neurons.length;
  const candidates = state.neurons
    .map((neuron, uid) => ({ uid, registeredAt: neuron.registeredAt, stake: stakeOf(state, neuron.hotkey), neuron }))
    .filter(({ neuron }) => neuron.hotkey !== ownerHotkey);
  const mortal = candidates.filter(({ registeredAt }) => state.head.number + 1 - registeredAt >= immunityPeriodBlocks);
  const [first] = (mortal.length > 0 ? mortal : candidates).toSorted(
    (a, b) => Number(a.stake > b.stake) - Number(a.stake < b.stake) || a.registeredAt - b.registeredAt || a.uid - b.uid,
  );
  return first?.uid ?? -1;
}
