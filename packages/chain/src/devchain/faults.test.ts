/** What a test can make go wrong on a devchain: forks, another runtime, and a log that tells all of it again. */
import { expect, test } from 'vitest';
import { keyFromUri } from '../keys/key-pair.ts';
import { RAO_PER_TAO } from '../subnet-chain.ts';
import { DevchainClient } from './devchain-client.ts';
import { Devchain } from './devchain.ts';
import { defaultGenesis } from './genesis.ts';
import { withBrokenCalls } from './lossy-port.ts';
import { replayDevchain } from './replay.ts';
import { DevchainStore } from './store.ts';

const alice = keyFromUri('//Alice');
const ann = keyFromUri('//Ann').ss58;
const TAO = RAO_PER_TAO;

function open(): { devchain: Devchain; chain: DevchainClient; store: DevchainStore } {
  const genesis = defaultGenesis({ tempo: 7, finalityLagBlocks: 3 });
  let nowMs = genesis.timeMs;
  const store = new DevchainStore(':memory:');
  const devchain = new Devchain({ store, genesis, now: () => (nowMs += 12_000) });
  return { devchain, chain: new DevchainClient(devchain), store };
}

test('a fork puts operations into another block, and its old blocks are no more', async () => {
  const { devchain, chain, store } = open();
  const sent = await chain.transfer(alice, ann, TAO);
  if (!sent.ok) throw new Error(sent.error);
  devchain.advance(1);
  devchain.reorg(2);
  expect((await chain.heads()).best.number).toBe(sent.block.number - 1);
  await expect(chain.balance(ann, { hash: sent.block.hash })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect((await devchain.account(ann, 'open')).free).toBe(String(TAO));
  const again = devchain.seal();
  expect(again.number).toBe(sent.block.number);
  expect(again.hash).not.toBe(sent.block.hash);
  expect((await chain.balance(ann)).free).toBe(TAO);
  expect(await devchain.inclusion(sent.txHash, 0)).toMatchObject({ status: 'sealed', block: again });
  expect(replayDevchain(store)).toBe(devchain.stateHash());
});

test('a fork may lose an operation for good; then it can be sent anew', async () => {
  const { devchain, chain, store } = open();
  const sent = await chain.transfer(alice, ann, TAO);
  devchain.reorg(1, 'lose');
  expect(await devchain.inclusion(sent.ok ? sent.txHash : '', 0)).toEqual({ status: 'unknown' });
  expect((await chain.transfer(alice, ann, TAO)).ok).toBe(true);
  expect((await chain.balance(ann)).free).toBe(TAO);
  expect(replayDevchain(store)).toBe(devchain.stateHash());
});

test('what is final is never dropped', async () => {
  const { devchain } = open();
  devchain.advance(5);
  const { finalized } = await devchain.heads();
  expect(() => devchain.reorg(4)).toThrow(/not final/);
  devchain.reorg(3);
  expect((await devchain.heads()).best).toEqual(finalized);
});

test('a forked chain with faults opens again as it was', async () => {
  const { devchain, store } = open();
  devchain.advance(195);
  devchain.setFaults({ specVersion: 426, lateDrandRounds: 3 });
  await devchain.faucet(ann, String(TAO));
  devchain.advance(6);
  devchain.reorg(3);
  devchain.advance(1);
  devchain.reorg(1);
  devchain.advance(4);
  const again = new Devchain({ store, genesis: defaultGenesis(), now: () => 0 });
  expect(again.stateHash()).toBe(devchain.stateHash());
  expect(await again.heads()).toEqual(await devchain.heads());
  expect(await again.identity()).toMatchObject({ specVersion: 426 });
  expect(replayDevchain(store)).toBe(devchain.stateHash());
});

test('alpha goes to another coldkey and stays where it is staked', async () => {
  const { chain } = open();
  const hotkey = keyFromUri('//Hot').ss58;
  await chain.register(alice, hotkey, TAO);
  await chain.addStake(alice, hotkey, 10n * TAO);
  const staked = await chain.alphaStake(alice.ss58, hotkey);
  expect(await chain.transferAlpha(alice, hotkey, ann, TAO)).toMatchObject({ ok: true });
  expect(await chain.alphaStake(ann, hotkey)).toBe(TAO);
  expect(await chain.alphaStake(alice.ss58, hotkey)).toBe(staked - TAO);
  expect((await chain.neurons()).find((neuron) => neuron.hotkey === hotkey)?.alphaStake).toBe(staked);
  expect(await chain.transferAlpha(alice, hotkey, ann, staked)).toMatchObject({ error: 'NotEnoughStakeToWithdraw' });
  expect(await chain.transferAlpha(alice, ann, ann, 1n)).toMatchObject({ error: 'HotKeyAccountNotExists' });
});

test('a registered hotkey anchors heads, some in an epoch, and the last one stands', async () => {
  const { devchain, chain } = open();
  const hotkey = keyFromUri('//Hot');
  const head = (height: number): { height: number; hash: string } => ({ height, hash: 'ab'.repeat(32) });
  expect(await chain.anchorLogHead(hotkey, head(1))).toMatchObject({ error: 'HotKeyNotRegisteredInSubNet' });
  await chain.register(alice, hotkey.ss58, TAO);
  expect(await chain.anchoredLogHead(hotkey.ss58)).toBeNull();
  const anchored = await chain.anchorLogHead(hotkey, head(1));
  const block = anchored.ok ? anchored.block.number : -1;
  expect(await chain.anchoredLogHead(hotkey.ss58)).toEqual({ ...head(1), block });
  await chain.anchorLogHead(hotkey, head(2));
  expect((await chain.anchoredLogHead(hotkey.ss58))?.height).toBe(2);
  devchain.advance(7);
});

test('an answer that never came leads to no second operation, whichever way it was lost', async () => {
  const sleep = async (): Promise<void> => {};
  for (const when of ['before', 'after'] as const) {
    const { devchain } = open();
    const port = withBrokenCalls(devchain, [
      { method: 'submit', when, times: 2 },
      { method: 'inclusion', when, times: 2 },
    ]);
    const chain = new DevchainClient(port, { sleep });
    expect(await chain.transfer(alice, ann, TAO)).toMatchObject({ ok: true });
    expect((await chain.balance(ann)).free).toBe(TAO);
  }
});

test('a runtime of another version is read and not written to', async () => {
  const { devchain, chain } = open();
  devchain.setFaults({ specVersion: 426 });
  expect((await chain.info()).specVersion).toBe(426);
  expect((await chain.balance(ann)).free).toBe(0n);
  await expect(chain.transfer(alice, ann, TAO)).rejects.toMatchObject({ code: 'CHAIN_CHANGED' });
  devchain.setFaults({ specVersion: 425 });
  expect(await chain.transfer(alice, ann, TAO)).toMatchObject({ ok: true });
});
