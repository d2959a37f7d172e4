/** What a validator makes of the chain: who is assigned, the same at every validator, anew with every epoch, and only once it is final. */

import { defaultGenesis, Devchain, DevchainClient, DevchainStore, keyFromUri, RAO_PER_TAO } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import { isAssigned } from '@celium/domain';
import { expect, test } from 'vitest';
import { EpochWatch, type EpochChain } from './epoch-watch.ts';

const machines = Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(64, '0'));
const clock = { unixMs: () => 5_000 };

/** A chain on which `count` validators have stake, and a watch for each of them. */
async function validators(count: number) {
  const genesis = defaultGenesis({ tempo: 10, finalityLagBlocks: 2 });
  const devchain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: () => 1 });
  const chain = new DevchainClient(devchain);
  const owner = keyFromUri('//Alice');
  const hotkeys = Array.from({ length: count }, (_, index) => keyFromUri(`//validator-${index}`).ss58);
  for (const hotkey of hotkeys) {
    await chain.register(owner, hotkey, 10n * RAO_PER_TAO);
    await chain.addStake(owner, hotkey, 10n * RAO_PER_TAO);
  }
  await chain.serveAxon(keyFromUri('//validator-0'), { ip: '127.0.0.1', port: 7760, protocol: 4 });
  const watches = hotkeys.map((ss58) => new EpochWatch({ chain, clock, hotkey: { ss58 } }));
  return { devchain, chain, hotkeys, watches };
}

test('every machine has three validators with a permit and the network one coordinator, by the word of each of them', async () => {
  const { devchain, hotkeys, watches } = await validators(5);
  devchain.advance(12);
  for (const watch of watches) await watch.refresh();
  for (const machine of machines)
    expect(watches.filter((watch) => isAssigned(watch.assignmentOf(machine).place))).toHaveLength(3);
  const coordinators = new Set(watches.map((watch) => watch.view()?.coordinator));
  expect(coordinators.size).toBe(1);
  expect(hotkeys).toContain([...coordinators][0]);
  expect(watches[0]?.view()).toMatchObject({ tempo: 10, permits: hotkeys.toSorted() });
  expect(watches[0]?.view()?.axons.get(hotkeys[0]!)).toMatchObject({ port: 7760 });
});

test('a new epoch assigns anew once its first block is final, and not before', async () => {
  const { devchain, chain, watches } = await validators(6);
  const [watch] = watches as [EpochWatch];
  const places = (): number[] => machines.map((machine) => watch.assignmentOf(machine).place);
  devchain.advance(12);
  await watch.refresh();
  const before = { places: places(), number: watch.view()?.block.number };
  const { nextEpochBlock } = await chain.schedule('finalized');
  const { best } = await chain.heads();
  devchain.advance(nextEpochBlock + 1 - best.number);
  await watch.refresh();
  expect({ places: places(), number: watch.view()?.block.number }).toEqual(before);
  devchain.advance(1);
  await watch.refresh();
  expect(watch.view()?.block.number).toBe(nextEpochBlock);
  expect(places()).not.toEqual(before.places);
});

test('until the chain was read nobody is assigned to anything, and a chain that goes away takes nothing back', async () => {
  const { devchain, chain, hotkeys } = await validators(1);
  let reached: EpochChain = chain;
  const ports = { clock, hotkey: { ss58: hotkeys[0]! } };
  const watch = new EpochWatch({
    ...ports,
    get chain() {
      return reached;
    },
  });
  expect(watch.assignmentOf(machines[0]!).place).toBe(-1);
  devchain.advance(12);
  await watch.refresh();
  expect(watch.assignmentOf(machines[0]!)).toEqual({ place: 0, sinceMs: 5_000 });
  reached = {
    schedule: () => Promise.reject(new CeliumError('CHAIN_UNAVAILABLE')),
    finalizedBlocks: (from) => chain.finalizedBlocks(from),
    neurons: () => chain.neurons(),
  };
  await expect(watch.refresh()).rejects.toThrow(CeliumError);
  expect(watch.assignmentOf(machines[0]!).place).toBe(0);
});

test('a node that forgot the epoch’s first block is asked for its newest state, without who registered since', async () => {
  const { devchain, chain, hotkeys } = await validators(3);
  const { nextEpochBlock } = await chain.schedule();
  devchain.advance(nextEpochBlock - (await chain.heads()).best.number);
  const early = (await chain.neurons()).map((neuron) => neuron.hotkey);
  const late = keyFromUri('//late').ss58;
  await chain.register(keyFromUri('//Alice'), late, 10n * RAO_PER_TAO);
  devchain.advance(3);
  expect((await chain.neurons('finalized')).map((neuron) => neuron.hotkey)).toContain(late);
  const forgetful: EpochChain = {
    schedule: (at) => chain.schedule(at),
    finalizedBlocks: (from, options) => chain.finalizedBlocks(from, options),
    neurons: async (at) => {
      if (typeof at === 'object') throw new CeliumError('NOT_FOUND', 'that state is pruned');
      return (await chain.neurons('finalized')).map((neuron) => ({ ...neuron, validatorPermit: true }));
    },
  };
  const watch = new EpochWatch({ chain: forgetful, clock, hotkey: { ss58: hotkeys[0]! } });
  await watch.refresh();
  expect(watch.view()?.permits).toEqual(early.toSorted());
});
