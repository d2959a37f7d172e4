/** The live adapter when nodes are gone, wrong, late, forked or lying, when answers are lost and when the runtime changes: one defined end each, and never a second extrinsic. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { KeyPair } from '../keys/key-pair.ts';
import { RAO_PER_TAO, type Outcome } from '../subnet-chain.ts';
import { confirmWeights } from '../weights-row.ts';
import type { ScaleNode } from '../../tests/scale-node/scale-node.ts';
import { openScaleWorld, type ScaleWorld } from '../../tests/scale-node/scale-world.ts';

const TAO = RAO_PER_TAO;
let world: ScaleWorld;
afterEach(() => world.close());

/** Somebody with a thousand TAO, and somebody without. */
async function people(): Promise<{ rich: KeyPair; poor: KeyPair }> {
  const [rich, poor] = [world.key('rich'), world.key('poor')];
  await world.fund(rich.ss58, 1_000n * TAO);
  return { rich, poor };
}

function must(outcome: Outcome): Extract<Outcome, { ok: true }> {
  if (outcome.ok) return outcome;
  throw new Error(outcome.error);
}

test('an answer that is lost after the node took the extrinsic leads to no second one', async () => {
  world = await openScaleWorld();
  const { rich, poor } = await people();
  const node = await world.node({ loseAnswers: 1 });
  const chain = world.connect([node]);
  must(await chain.transfer(rich, poor.ss58, TAO));
  expect((await chain.balance(poor.ss58)).free).toBe(TAO);
  expect(node.asked.get('author_submitExtrinsic')).toBe(1);
});

test('an extrinsic that never reached a node is sent again, the same one, by the next node', async () => {
  world = await openScaleWorld();
  const { rich, poor } = await people();
  const [deaf, sound] = [await world.node({ loseBefore: 5 }), await world.node()];
  const chain = world.connect([deaf, sound]);
  must(await chain.transfer(rich, poor.ss58, TAO));
  expect((await chain.balance(poor.ss58)).free).toBe(TAO);
  expect(deaf.asked.get('author_submitExtrinsic')).toBe(1);
  expect(sound.asked.get('author_submitExtrinsic')).toBe(1);
});

test('another program with the same key takes a nonce, and both calls pass once', async () => {
  world = await openScaleWorld();
  const { rich, poor } = await people();
  const node = await world.node();
  const [one, two] = [world.connect([node]), world.connect([node])];
  const sent = await Promise.all(
    [1n, 2n, 3n, 4n].map((amount) => (amount % 2n ? one : two).transfer(rich, poor.ss58, amount * TAO)),
  );
  expect(sent.map(({ ok }) => ok)).toEqual([true, true, true, true]);
  expect((await one.balance(poor.ss58)).free).toBe(10n * TAO);
});

test('a fork before finality moves an extrinsic to another block, and the answer names the final one', async () => {
  world = await openScaleWorld({ finalityLagBlocks: 4 });
  const { rich, poor } = await people();
  const node = await world.node({}, false);
  const chain = world.connect([node]);
  const sending = chain.transfer(rich, poor.ss58, TAO);
  await until(() => (node.asked.get('author_submitExtrinsic') ?? 0) > 0);
  world.chain.seal(2);
  const before = world.chain.blocks.findLast(({ extrinsics }) => extrinsics.length > 1);
  world.chain.reorg(2, 'keep');
  world.chain.seal(8);
  const { block } = must(await sending);
  expect(block.hash).not.toBe(before?.hash);
  expect(world.chain.blocks[block.number]?.hash).toBe(block.hash);
});

test('an extrinsic that a fork swallowed is sent again as it was, and counts once', async () => {
  world = await openScaleWorld({ finalityLagBlocks: 4 });
  const { rich, poor } = await people();
  const node = await world.node({}, false);
  const chain = world.connect([node]);
  const sending = chain.transfer(rich, poor.ss58, TAO);
  await until(() => (node.asked.get('author_submitExtrinsic') ?? 0) > 0);
  world.chain.seal(1);
  world.chain.reorg(1, 'lose');
  await until(() => (node.asked.get('author_submitExtrinsic') ?? 0) > 1);
  world.chain.seal(8);
  must(await sending);
  expect((await chain.balance(poor.ss58)).free).toBe(TAO);
});

test('the next node takes over when one is gone, in the middle of a stream too', async () => {
  world = await openScaleWorld();
  const [first, second] = [await world.node(), await world.node()];
  const chain = world.connect([first, second]);
  const seen: number[] = [];
  for await (const { number } of chain.finalizedBlocks(0)) {
    seen.push(number);
    if (number === 3) await first.stop();
    if (number === 8) break;
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(second.asked.get('chain_getBlock')).toBeGreaterThan(0);
  await second.stop();
  await expect(chain.heads()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
});

test('a broken connection is opened again', async () => {
  world = await openScaleWorld();
  const node = await world.node();
  const chain = world.connect([node]);
  await chain.heads();
  node.breakConnections();
  expect((await chain.info()).specVersion).toBe(425);
});

test('a node of another chain is never used, and alone it is an error that says so', async () => {
  world = await openScaleWorld();
  const { genesisHash } = await world.devchain.identity();
  const [foreign, own] = [await world.node({ genesisHash: 'ab'.repeat(32) }), await world.node()];
  const chain = world.connect([foreign, own], genesisHash);
  expect((await chain.info()).genesisHash).toBe(genesisHash);
  expect([...foreign.asked.keys()]).toEqual(['chain_getBlockHash']);
  await expect(world.connect([foreign], genesisHash).info()).rejects.toMatchObject({ code: 'CHAIN_WRONG' });
});

test('a node that is far behind is passed over', async () => {
  world = await openScaleWorld();
  world.chain.seal(60);
  const [first, late, third] = [await world.node(), await world.node({ blocksBehind: 50 }), await world.node()];
  const chain = world.connect([first, late, third]);
  const { finalized } = await chain.heads();
  await first.stop();
  expect((await chain.heads()).finalized.number).toBeGreaterThanOrEqual(finalized.number);
  expect(late.asked.get('chain_getFinalizedHead')).toBeUndefined();
});

test('a node on another fork than what was final before is passed over', async () => {
  world = await openScaleWorld();
  world.chain.seal(30);
  const [first, forked, third] = [await world.node(), await world.node({ forkedAt: 5 }), await world.node()];
  const chain = world.connect([first, forked, third]);
  await chain.heads();
  await first.stop();
  await chain.heads();
  expect(forked.asked.get('chain_getFinalizedHead')).toBeUndefined();
  expect(third.asked.get('chain_getFinalizedHead')).toBeGreaterThan(0);
});

test('two nodes that tell of different final blocks are an alarm, not a choice', async () => {
  world = await openScaleWorld();
  world.chain.seal(10);
  const node = await world.node({}, false);
  const chain = world.connect([node]);
  const { finalized } = await chain.heads();
  const other = world.chain.blocks[finalized.number + 1];
  // The same height under another hash: a node that is on a fork, or lies.
  node.faults.lieAboutFinal = other?.hash ?? '';
  world.chain.blocks[finalized.number + 1] = {
    ...other,
    number: finalized.number,
  } as (typeof world.chain.blocks)[number];
  await expect(chain.heads()).rejects.toMatchObject({ code: 'CHAIN_WRONG' });
});

test('a final block that does not follow the last one ends the stream with an alarm', async () => {
  world = await openScaleWorld();
  world.chain.seal(10);
  const node = await world.node({}, false);
  const chain = world.connect([node]);
  const third = world.chain.blocks[3];
  world.chain.blocks[3] = { ...third, parent: 'cd'.repeat(32) } as (typeof world.chain.blocks)[number];
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { number } of chain.finalizedBlocks(0)) seen.push(number);
  })();
  await expect(reading).rejects.toMatchObject({ code: 'CHAIN_WRONG' });
  expect(seen).toEqual([0, 1, 2]);
});

test('a new spec version with everything that is needed is written to; one that lacks something is only read', async () => {
  world = await openScaleWorld();
  const { rich, poor } = await people();
  const fine = world.connect([await world.node({ specVersion: 500 })]);
  expect((await fine.info()).specVersion).toBe(500);
  must(await fine.transfer(rich, poor.ss58, TAO));
  const changed = world.connect([
    await world.node({ specVersion: 501, metadata: { setWeightsWithoutVersionKey: true } }),
  ]);
  expect((await changed.balance(poor.ss58)).free).toBe(TAO);
  await expect(changed.transfer(rich, poor.ss58, TAO)).rejects.toMatchObject({ code: 'CHAIN_CHANGED' });
  await expect(changed.putWeights(rich, [[0, 1]], 0n)).rejects.toThrow(/set_weights has no version_key/);
  const strange = world.connect([await world.node({ specVersion: 502, metadata: { unknownExtension: true } })]);
  await expect(strange.transfer(rich, poor.ss58, TAO)).rejects.toThrow(/CheckTribute is new/);
});

test('a runtime that changes under a running program is noticed before the next extrinsic', async () => {
  world = await openScaleWorld();
  const { rich, poor } = await people();
  const node = await world.node();
  const chain = world.connect([node]);
  must(await chain.transfer(rich, poor.ss58, TAO));
  world.devchain.setFaults({ specVersion: 426 });
  world.chain.seal();
  must(await chain.transfer(rich, poor.ss58, TAO));
  expect((await chain.info()).specVersion).toBe(426);
});

test('old states are NOT_FOUND, and blocks are streamed all the same', async () => {
  world = await openScaleWorld();
  world.chain.seal(50);
  const node = await world.node({ keepStates: 20 });
  const chain = world.connect([node]);
  const old = world.chain.blocks[5];
  await expect(chain.neurons({ hash: old?.hash ?? '' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  for await (const block of chain.finalizedBlocks(5)) {
    expect(block).toEqual({ number: 5, hash: old?.hash, timeMs: old?.timeMs });
    break;
  }
});

test('timelocked weights are sealed for real, hidden until their epoch, and read back', async () => {
  world = await openScaleWorld({ commitReveal: true, tempo: 60 });
  const { rich } = await people();
  const hotkey = world.key('validator');
  const chain = world.connect([await world.node()]);
  must(await chain.register(rich, hotkey.ss58, TAO));
  must(await chain.addStake(rich, hotkey.ss58, 100n * TAO));
  world.chain.seal(60);
  const row: Array<[number, number]> = [
    [0, 65_535],
    [1, 30_000],
  ];
  const receipt = await chain.putWeights(hotkey, row, 0n);
  if (!receipt.ok) throw new Error(receipt.error);
  expect(receipt).toMatchObject({ mode: 'timelocked', uid: 1 });
  expect(await chain.pendingWeights(hotkey.ss58)).toMatchObject([
    { mode: 'timelocked', epoch: receipt.epoch, revealRound: receipt.revealRound },
  ]);
  expect(await confirmWeights(chain, receipt)).toBe('pending');
  world.chain.seal((receipt.expectedRevealBlock ?? 0) - receipt.block.number);
  expect(await confirmWeights(chain, receipt)).toBe('confirmed');
  expect(await chain.weights(1)).toEqual(row);
});

test('hashed weights are opened by hand in their epoch', async () => {
  world = await openScaleWorld({ commitReveal: true, tempo: 60, weightsRateLimitBlocks: 1 });
  const { rich } = await people();
  const hotkey = world.key('validator');
  const chain = world.connect([await world.node()]);
  must(await chain.register(rich, hotkey.ss58, TAO));
  must(await chain.addStake(rich, hotkey.ss58, 100n * TAO));
  world.chain.seal(60);
  const receipt = await chain.putWeights(hotkey, [[0, 65_535]], 0n, { commit: 'hashed' });
  if (!receipt.ok || receipt.secret === undefined) throw new Error('no hashed commit');
  expect(await chain.pendingWeights(hotkey.ss58)).toMatchObject([{ mode: 'hashed', epoch: receipt.epoch }]);
  expect(await chain.revealWeights(hotkey, receipt.secret)).toMatchObject({ error: 'RevealTooEarly' });
  world.chain.seal((receipt.expectedRevealBlock ?? 0) - receipt.block.number);
  must(await chain.revealWeights(hotkey, receipt.secret));
  expect(await confirmWeights(chain, receipt)).toBe('confirmed');
});

const mishap = fc.constantFrom('none', 'lose answer', 'lose call', 'break', 'fork', 'swallow');

test('whatever is lost, broken or forked on the way: what is answered as done counts once, all else not at all', async () => {
  world = await openScaleWorld();
  await fc.assert(
    fc.asyncProperty(
      fc.array(mishap, { minLength: 3, maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      async (mishaps, count) => {
        const mine = await openScaleWorld({ finalityLagBlocks: 4 });
        try {
          const [rich, poor] = [mine.key('rich'), mine.key('poor')];
          await mine.fund(rich.ss58, 1_000n * TAO);
          const node = await mine.node();
          const chain = mine.connect([node]);
          let done = false;
          const sent = Promise.allSettled(
            Array.from({ length: count }, (_, index) => chain.transfer(rich, poor.ss58, BigInt(index + 1) * TAO)),
          ).finally(() => (done = true));
          for (let turn = 0; !done; turn += 1) {
            await new Promise((resolve) => setImmediate(resolve));
            if (turn % 10 === 0) await befall(mine, node, mishaps[turn / 10] ?? 'none');
          }
          const results = await sent;
          mine.chain.seal(80);
          const paid = results.map((result, index) =>
            result.status === 'fulfilled' && result.value.ok ? BigInt(index + 1) * TAO : 0n,
          );
          expect((await chain.balance(poor.ss58)).free).toBe(paid.reduce((sum, amount) => sum + amount, 0n));
          expect(results.every(({ status }) => status === 'fulfilled')).toBe(true);
        } finally {
          await mine.close();
        }
      },
    ),
    { numRuns: 12 },
  );
});

async function befall(mine: ScaleWorld, node: ScaleNode, what: string): Promise<void> {
  if (what === 'lose answer') node.faults.loseAnswers = 1;
  if (what === 'lose call') node.faults.loseBefore = 1;
  if (what === 'break') node.breakConnections();
  if (what !== 'fork' && what !== 'swallow') return;
  const { best, finalized } = await mine.devchain.heads();
  const depth = Math.min(2, best.number - finalized.number);
  if (depth > 0) mine.chain.reorg(depth, what === 'fork' ? 'keep' : 'lose');
}

/** Lets the event loop turn until something has happened; bounded. */
async function until(happened: () => boolean): Promise<void> {
  for (let turns = 0; turns < 100_000 && !happened(); turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(happened()).toBe(true);
}
