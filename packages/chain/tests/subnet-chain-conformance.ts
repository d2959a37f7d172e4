/** What every `SubnetChain` must do, as vitest tests over a factory: the devchain in both forms today, a live node by the same suite. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KeyPair } from '../src/keys/key-pair.ts';
import { RAO_PER_TAO, type BlockRef, type Outcome, type SubnetChain, type TransferBatch } from '../src/subnet-chain.ts';
import { confirmWeights } from '../src/weights-row.ts';

/** One subnet to test on. It may be shared with others and old: nothing is assumed of what is on it already. */
export interface ConformanceWorld {
  readonly chain: SubnetChain;
  /** A second, independent connection to the same chain. */
  readonly other: SubnetChain;
  /** A key without history; names are unique within a run. */
  newKey(name: string): KeyPair;
  /** Gives an account at least `amount` rao. */
  fund(ss58: string, amount: bigint): Promise<void>;
  /** Returns when at least `blocks` more are sealed. */
  advance(blocks: number): Promise<void>;
  close(): Promise<void>;
}

const TAO = RAO_PER_TAO;

/** Runs the suite against what `open` gives. */
export function testSubnetChain(name: string, open: () => Promise<ConformanceWorld>): void {
  describe(`${name} as a SubnetChain`, () => {
    let world: ConformanceWorld;
    let chain: SubnetChain;
    let coldkey: KeyPair;
    let hotkey: KeyPair;

    beforeAll(async () => {
      world = await open();
      chain = world.chain;
      coldkey = world.newKey('coldkey');
      hotkey = world.newKey('hotkey');
      await world.fund(coldkey.ss58, 1_000n * TAO);
    });
    afterAll(() => world.close());

    test('it says who it is, and both connections say the same', async () => {
      const info = await chain.info();
      expect(info.genesisHash).toMatch(/^[0-9a-f]{64}$/);
      expect(await world.other.info()).toEqual(info);
      expect((await chain.subnet()).netuid).toBe(info.netuid);
    });

    test('the finalised head never runs ahead of the best one, and both grow', async () => {
      const before = await chain.heads();
      await world.advance(3);
      const after = await chain.heads();
      expect(before.finalized.number).toBeLessThanOrEqual(before.best.number);
      expect(after.best.number).toBeGreaterThanOrEqual(before.best.number + 3);
      expect(after.finalized.number).toBeGreaterThan(before.finalized.number);
      expect(after.best.timeMs).toBeGreaterThan(before.best.timeMs);
    });

    test('an account never seen has nothing', async () => {
      expect(await chain.balance(world.newKey('nobody').ss58)).toEqual({ free: 0n, reserved: 0n });
    });

    test('a registration costs what the subnet says, gives a UID, and is seen by everyone', async () => {
      const { registrationCost } = await chain.subnet();
      const { free } = await chain.balance(coldkey.ss58);
      const { block } = mustPass(await chain.register(coldkey, hotkey.ss58, registrationCost * 2n));
      const seen = (await world.other.neurons()).find((neuron) => neuron.hotkey === hotkey.ss58);
      expect(seen).toMatchObject({ coldkey: coldkey.ss58, registeredAt: block.number });
      const spent = free - (await chain.balance(coldkey.ss58)).free;
      expect(spent).toBeGreaterThanOrEqual(registrationCost);
      expect(spent).toBeLessThan(registrationCost * 2n + TAO / 100n);
    });

    test('a hotkey is registered once', async () => {
      expectRefusal(await chain.register(coldkey, hotkey.ss58, 10n * TAO), 'HotKeyAlreadyRegisteredInSubNet');
    });

    test('a registration never costs more than it may', async () => {
      const { free } = await chain.balance(coldkey.ss58);
      expectRefusal(await chain.register(coldkey, world.newKey('dear').ss58, 1n), 'RegistrationPriceLimitExceeded');
      expect(free - (await chain.balance(coldkey.ss58)).free).toBeLessThan(TAO / 100n);
    });

    test('nobody registers without money', async () => {
      const poor = world.newKey('poor');
      const outcome = await chain.register(poor, world.newKey('poor-hotkey').ss58, 10n * TAO);
      expect(outcome.ok).toBe(false);
    });

    test('an axon is served by a registered hotkey without funds, and read back', async () => {
      mustPass(await chain.serveAxon(hotkey, { ip: '93.184.216.34', port: 8443, protocol: 4 }));
      const seen = (await chain.neurons()).find((neuron) => neuron.hotkey === hotkey.ss58);
      expect(seen?.axon).toMatchObject({ ip: '93.184.216.34', port: 8443, protocol: 4 });
      expectRefusal(
        await chain.serveAxon(hotkey, { ip: '93.184.216.34', port: 8444, protocol: 4 }),
        'ServingRateLimitExceeded',
      );
    });

    test('a stranger serves no axon', async () => {
      const outcome = await chain.serveAxon(world.newKey('stranger'), { ip: '93.184.216.34', port: 1, protocol: 4 });
      expect(outcome.ok).toBe(false);
    });

    test('stake raises the neuron’s stake and the alpha price', async () => {
      const price = await chain.alphaPrice();
      mustPass(await chain.addStake(coldkey, hotkey.ss58, 100n * TAO));
      const seen = (await chain.neurons()).find((neuron) => neuron.hotkey === hotkey.ss58);
      expect(seen?.alphaStake).toBeGreaterThan(0n);
      expect(seen?.totalStake).toBeGreaterThanOrEqual(seen?.alphaStake ?? 0n);
      expect((await chain.alphaPrice()).raoPerAlpha).toBeGreaterThan(price.raoPerAlpha);
    });

    test('without a permit no weights are set', async () => {
      const idle = world.newKey('idle');
      mustPass(await chain.register(coldkey, idle.ss58, 10n * TAO));
      const neurons = await chain.neurons();
      const row = neurons.slice(0, 2).map(({ uid }): [number, number] => [uid, 1]);
      const { weightsVersionKey } = await chain.subnet();
      expectRefusal(await chain.putWeights(idle, row, weightsVersionKey), 'NeuronNoValidatorPermit');
    });

    test('a validator’s weights are stored as sent, once per rate limit', async () => {
      const { nextEpochBlock } = await chain.schedule();
      const { best } = await chain.heads();
      await world.advance(Math.max(1, nextEpochBlock - best.number + 1));
      const neurons = await chain.neurons();
      const mine = neurons.find((neuron) => neuron.hotkey === hotkey.ss58);
      expect(mine?.validatorPermit).toBe(true);
      const { weightsVersionKey } = await chain.subnet();
      const row: Array<[number, number]> = [
        [mine?.uid ?? -1, 10_000],
        [neurons[0]?.uid ?? -1, 40_000],
      ];
      const receipt = await chain.putWeights(hotkey, row, weightsVersionKey);
      if (!receipt.ok) throw new Error(receipt.error);
      expect(receipt.uid).toBe(mine?.uid);
      expect(await confirmWeights(world.other, receipt)).toBe('confirmed');
      expect((await chain.neurons()).find(({ uid }) => uid === receipt.uid)?.lastUpdate).toBe(receipt.block.number);
      expectRefusal(await chain.putWeights(hotkey, row, weightsVersionKey), 'SettingWeightsTooFast');
    });

    test('a transfer moves exactly its amount, and a watcher sees it once, finalised', async () => {
      const deposit = coldkey.deriveSoft(`deposit-${Date.now()}`);
      const { finalized } = await chain.heads();
      const watched = new Set([deposit.ss58]);
      const { block } = mustPass(await chain.transfer(coldkey, deposit.ss58, 3n * TAO));
      expect(await chain.balance(deposit.ss58)).toEqual({ free: 3n * TAO, reserved: 0n });
      const batches: TransferBatch[] = [];
      const advancing = world.advance(4);
      for await (const batch of world.other.transfersTo(watched, finalized.number)) {
        batches.push(batch);
        if (batch.block.number >= block.number) break;
      }
      await advancing;
      expect(batches.map((batch) => batch.block.number)).toEqual(
        Array.from({ length: batches.length }, (_, index) => finalized.number + index),
      );
      const credits = batches.flatMap((batch) => batch.transfers);
      expect(credits).toEqual([
        { from: coldkey.ss58, to: deposit.ss58, amount: 3n * TAO, eventIndex: expect.any(Number) },
      ]);
      expect(batches.at(-1)?.block.hash).toBe(block.hash);
    });

    test('more than there is cannot be sent', async () => {
      const { free } = await chain.balance(coldkey.ss58);
      const outcome = await chain.transfer(coldkey, hotkey.ss58, free * 2n);
      expect(outcome.ok).toBe(false);
      expect((await chain.balance(hotkey.ss58)).free).toBe(0n);
    });

    test('many operations of one key at once all pass, each once', async () => {
      const to = world.newKey('crowd').ss58;
      const outcomes = await Promise.all(
        [1n, 2n, 3n, 4n, 5n].map((amount) => chain.transfer(coldkey, to, amount * TAO)),
      );
      expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, true, true, true]);
      expect((await chain.balance(to)).free).toBe(15n * TAO);
    });

    test('two connections with one key do not undo each other', async () => {
      const to = world.newKey('shared').ss58;
      const both = [chain, world.other, chain, world.other].map((connection) => connection.transfer(coldkey, to, TAO));
      expect((await Promise.all(both)).map((outcome) => outcome.ok)).toEqual([true, true, true, true]);
      expect((await chain.balance(to)).free).toBe(4n * TAO);
    });

    test('an old block still shows its old state', async () => {
      const { best } = await chain.heads();
      const to = world.newKey('later').ss58;
      mustPass(await chain.transfer(coldkey, to, TAO));
      expect((await chain.balance(to, { hash: best.hash })).free).toBe(0n);
      expect((await chain.balance(to)).free).toBe(TAO);
      await expect(chain.balance(to, { hash: 'f'.repeat(64) })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    test('finalised blocks come in order and without gaps, from any cursor, and stay what they are', async () => {
      await world.advance(4);
      const { finalized } = await chain.heads();
      const from = Math.max(0, finalized.number - 3);
      const take = async (source: SubnetChain): Promise<BlockRef[]> => {
        const blocks: BlockRef[] = [];
        for await (const block of source.finalizedBlocks(from)) {
          blocks.push(block);
          if (block.number >= finalized.number) break;
        }
        return blocks;
      };
      const [one, two] = await Promise.all([take(chain), take(world.other)]);
      expect(one.map(({ number }) => number)).toEqual(one.map((_, index) => from + index));
      expect(two).toEqual(one);
      expect(one.at(-1)).toEqual(finalized);
    });

    test('a stream ends when it is told to', async () => {
      const stop = new AbortController();
      const { finalized } = await chain.heads();
      const seen: number[] = [];
      const reading = (async () => {
        for await (const { number } of chain.finalizedBlocks(finalized.number, { signal: stop.signal })) {
          seen.push(number);
          stop.abort();
        }
      })();
      await reading;
      expect(seen).toEqual([finalized.number]);
    });

    test('the next epoch is where the schedule says', async () => {
      const before = await chain.schedule();
      const { best } = await chain.heads();
      expect(before.nextEpochBlock).toBeGreaterThan(best.number);
      await world.advance(before.nextEpochBlock - best.number);
      const after = await chain.schedule();
      expect(after.epochIndex).toBeGreaterThan(before.epochIndex);
      expect(after.lastEpochBlock).toBeGreaterThanOrEqual(before.nextEpochBlock);
    });

    test('alpha goes to another coldkey and stays on its hotkey', async () => {
      const heir = world.newKey('heir').ss58;
      mustPass(await chain.transferAlpha(coldkey, hotkey.ss58, heir, TAO));
      expect(await world.other.alphaStake(heir, hotkey.ss58)).toBe(TAO);
      expect((await chain.transferAlpha(coldkey, hotkey.ss58, heir, 1_000_000n * TAO)).ok).toBe(false);
    });

    test('a log head is anchored by a registered hotkey and read by everyone', async () => {
      const head = { height: 12, hash: '5a'.repeat(32) };
      const { block } = mustPass(await chain.anchorLogHead(hotkey, head));
      expect(await world.other.anchoredLogHead(hotkey.ss58)).toEqual({ ...head, block: block.number });
      expect(await chain.anchoredLogHead(world.newKey('silent').ss58)).toBeNull();
      expect((await chain.anchorLogHead(world.newKey('unknown'), head)).ok).toBe(false);
    });

    test('alpha that is retired is gone', async () => {
      const stakeNow = async (): Promise<bigint> =>
        (await chain.neurons()).find((neuron) => neuron.hotkey === hotkey.ss58)?.alphaStake ?? 0n;
      const before = await stakeNow();
      mustPass(await chain.retireAlpha(coldkey, hotkey.ss58, TAO, 'burn'));
      mustPass(await chain.retireAlpha(coldkey, hotkey.ss58, TAO, 'recycle'));
      expect(before - (await stakeNow())).toBe(2n * TAO);
      expect((await chain.retireAlpha(coldkey, hotkey.ss58, before * 2n, 'burn')).ok).toBe(false);
    });
  });
}

function mustPass(outcome: Outcome): Extract<Outcome, { ok: true }> {
  if (outcome.ok) return outcome;
  throw new Error(`the chain refused: ${outcome.error}`);
}

function expectRefusal(outcome: { ok: true } | { ok: false; error: string }, error: string): void {
  expect(outcome.ok ? 'accepted' : outcome.error).toBe(error);
}
