/** What every `SubnetChain` must do: one list of cases for the devchain in both forms, the live adapter over a node of our own, and any live node. */
import assert from 'node:assert/strict';
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

/** The keys that the cases share: the coldkey is rich, the hotkey is registered by the fourth case. */
export interface ConformanceKeys {
  readonly coldkey: KeyPair;
  readonly hotkey: KeyPair;
}

/** A claim, and what it takes: `reads` only, `writes` (funds), or `epochs` (writes, and waits for an epoch). */
export interface ConformanceCase {
  readonly claim: string;
  readonly takes: 'reads' | 'writes' | 'epochs';
  run(world: ConformanceWorld, keys: ConformanceKeys): Promise<void>;
}

const TAO = RAO_PER_TAO;
/** What the coldkey gets before the first case that writes. */
export const CONFORMANCE_FUNDS = 1_000n * TAO;

/** The cases, in order: later ones build on the registration and stake of earlier ones. */
export const CONFORMANCE_CASES: readonly ConformanceCase[] = [
  {
    claim: 'it says who it is, and both connections say the same',
    takes: 'reads',
    run: async ({ chain, other }) => {
      const info = await chain.info();
      assert.match(info.genesisHash, /^[0-9a-f]{64}$/);
      assert.deepEqual(await other.info(), info);
      assert.equal((await chain.subnet()).netuid, info.netuid);
    },
  },
  {
    claim: 'the finalised head never runs ahead of the best one, and both grow',
    takes: 'reads',
    run: async ({ chain, advance }) => {
      const before = await chain.heads();
      await advance(3);
      const after = await chain.heads();
      assert.ok(before.finalized.number <= before.best.number);
      assert.ok(after.best.number >= before.best.number + 3);
      assert.ok(after.finalized.number > before.finalized.number);
      assert.ok(after.best.timeMs > before.best.timeMs);
    },
  },
  {
    claim: 'an account never seen has nothing',
    takes: 'reads',
    run: async ({ chain, newKey }) => {
      assert.deepEqual(await chain.balance(newKey('nobody').ss58), { free: 0n, reserved: 0n });
    },
  },
  {
    claim: 'the metagraph has a UID per slot, each hotkey once, and reads at one block agree',
    takes: 'reads',
    run: async ({ chain, other }) => {
      const { finalized } = await chain.heads();
      const at = { hash: finalized.hash };
      const [neurons, again, subnet] = await Promise.all([chain.neurons(at), other.neurons(at), chain.subnet(at)]);
      assert.deepEqual(again, neurons);
      assert.deepEqual(
        neurons.map(({ uid }) => uid),
        neurons.map((_, index) => index),
      );
      assert.equal(new Set(neurons.map(({ hotkey }) => hotkey)).size, neurons.length);
      assert.ok(neurons.length <= subnet.maxUids);
      assert.ok(neurons.every(({ incentive, dividends }) => incentive <= 65_535 && dividends <= 65_535));
    },
  },
  {
    claim: 'finalised blocks come in order and without gaps, from any cursor, and stay what they are',
    takes: 'reads',
    run: async ({ chain, other, advance }) => {
      await advance(4);
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
      const [one, two] = await Promise.all([take(chain), take(other)]);
      assert.deepEqual(two, one);
      assert.deepEqual(one.at(-1), finalized);
      assert.deepEqual(
        one.map(({ number }) => number),
        one.map((_, index) => from + index),
      );
    },
  },
  {
    claim: 'a stream ends when it is told to',
    takes: 'reads',
    run: async ({ chain }) => {
      const stop = new AbortController();
      const { finalized } = await chain.heads();
      const seen: number[] = [];
      for await (const { number } of chain.finalizedBlocks(finalized.number, { signal: stop.signal })) {
        seen.push(number);
        stop.abort();
      }
      assert.deepEqual(seen, [finalized.number]);
    },
  },
  {
    claim: 'a block that nobody has is NOT_FOUND',
    takes: 'reads',
    run: async ({ chain, newKey }) => {
      const unknown = chain.balance(newKey('nowhere').ss58, { hash: 'f'.repeat(64) });
      await assert.rejects(unknown, { code: 'NOT_FOUND' });
    },
  },
  {
    claim: 'a registration costs what the subnet says, gives a UID, and is seen by everyone',
    takes: 'writes',
    run: async ({ chain, other }, { coldkey, hotkey }) => {
      const { registrationCost } = await chain.subnet();
      const { free } = await chain.balance(coldkey.ss58);
      const { block } = mustPass(await chain.register(coldkey, hotkey.ss58, registrationCost * 2n));
      const seen = await neuronOf(other, hotkey.ss58);
      assert.equal(seen?.coldkey, coldkey.ss58);
      assert.equal(seen?.registeredAt, block.number);
      const spent = free - (await chain.balance(coldkey.ss58)).free;
      assert.ok(spent >= registrationCost && spent < registrationCost * 2n + TAO / 100n);
    },
  },
  {
    claim: 'a hotkey is registered once',
    takes: 'writes',
    run: async ({ chain }, { coldkey, hotkey }) => {
      const again = await chain.register(coldkey, hotkey.ss58, 10n * TAO);
      mustRefuse(again, 'HotKeyAlreadyRegisteredInSubNet');
    },
  },
  {
    claim: 'a registration never costs more than it may',
    takes: 'writes',
    run: async ({ chain, newKey }, { coldkey }) => {
      const { free } = await chain.balance(coldkey.ss58);
      mustRefuse(await chain.register(coldkey, newKey('dear').ss58, 1n), 'RegistrationPriceLimitExceeded');
      assert.ok(free - (await chain.balance(coldkey.ss58)).free < TAO / 100n);
    },
  },
  {
    claim: 'nobody registers without money',
    takes: 'writes',
    run: async ({ chain, newKey }) => {
      const outcome = await chain.register(newKey('poor'), newKey('poor-hotkey').ss58, 10n * TAO);
      assert.equal(outcome.ok, false);
    },
  },
  {
    claim: 'an axon is served by a registered hotkey without funds, and read back',
    takes: 'writes',
    run: async ({ chain }, { hotkey }) => {
      mustPass(await chain.serveAxon(hotkey, { ip: '93.184.216.34', port: 8443, protocol: 4 }));
      const axon = (await neuronOf(chain, hotkey.ss58))?.axon;
      assert.deepEqual([axon?.ip, axon?.port, axon?.protocol], ['93.184.216.34', 8443, 4]);
      const again = await chain.serveAxon(hotkey, { ip: '93.184.216.34', port: 8444, protocol: 4 });
      mustRefuse(again, 'ServingRateLimitExceeded');
    },
  },
  {
    claim: 'a stranger serves no axon',
    takes: 'writes',
    run: async ({ chain, newKey }) => {
      const outcome = await chain.serveAxon(newKey('stranger'), { ip: '93.184.216.34', port: 1, protocol: 4 });
      assert.equal(outcome.ok, false);
    },
  },
  {
    claim: 'stake raises the neuron’s stake and the alpha price',
    takes: 'writes',
    run: async ({ chain }, { coldkey, hotkey }) => {
      const price = await chain.alphaPrice();
      mustPass(await chain.addStake(coldkey, hotkey.ss58, 100n * TAO));
      const seen = await neuronOf(chain, hotkey.ss58);
      assert.ok((seen?.alphaStake ?? 0n) > 0n);
      assert.ok((seen?.totalStake ?? 0n) >= (seen?.alphaStake ?? 0n));
      assert.equal(await chain.alphaStake(coldkey.ss58, hotkey.ss58), seen?.alphaStake);
      assert.ok((await chain.alphaPrice()).raoPerAlpha > price.raoPerAlpha);
    },
  },
  {
    claim: 'without a permit no weights are set',
    takes: 'writes',
    run: async ({ chain, newKey }, { coldkey }) => {
      const idle = newKey('idle');
      mustPass(await chain.register(coldkey, idle.ss58, 10n * TAO));
      const row = (await chain.neurons()).slice(0, 2).map(({ uid }): [number, number] => [uid, 1]);
      const { weightsVersionKey, commitReveal } = await chain.subnet();
      // A commit is taken from anyone; it is dropped at its reveal.
      const put = await chain.putWeights(idle, row, weightsVersionKey);
      if (!commitReveal.enabled) mustRefuse(put, 'NeuronNoValidatorPermit');
    },
  },
  {
    claim: 'a transfer moves exactly its amount, and a watcher sees it once, finalised',
    takes: 'writes',
    run: async ({ chain, other, advance, newKey }, { coldkey }) => {
      const deposit = coldkey.deriveSoft(newKey('deposit').ss58.slice(0, 12));
      const { finalized } = await chain.heads();
      const { block } = mustPass(await chain.transfer(coldkey, deposit.ss58, 3n * TAO));
      assert.deepEqual(await chain.balance(deposit.ss58), { free: 3n * TAO, reserved: 0n });
      const batches: TransferBatch[] = [];
      const advancing = advance(4);
      for await (const batch of other.transfersTo(new Set([deposit.ss58]), finalized.number)) {
        batches.push(batch);
        if (batch.block.number >= block.number) break;
      }
      await advancing;
      assert.deepEqual(
        batches.map((batch) => batch.block.number),
        batches.map((_, index) => finalized.number + index),
      );
      const credits = batches.flatMap(({ transfers }) => transfers);
      const { eventIndex = -1, ...credit } = credits[0] ?? {};
      assert.deepEqual(credit, { from: coldkey.ss58, to: deposit.ss58, amount: 3n * TAO });
      assert.ok(eventIndex >= 0 && credits.length === 1);
      assert.equal(batches.at(-1)?.block.hash, block.hash);
    },
  },
  {
    claim: 'more than there is cannot be sent',
    takes: 'writes',
    run: async ({ chain }, { coldkey, hotkey }) => {
      const { free } = await chain.balance(coldkey.ss58);
      assert.equal((await chain.transfer(coldkey, hotkey.ss58, free * 2n)).ok, false);
      assert.equal((await chain.balance(hotkey.ss58)).free, 0n);
    },
  },
  {
    claim: 'many operations of one key at once all pass, each once',
    takes: 'writes',
    run: async ({ chain, newKey }, { coldkey }) => {
      const to = newKey('crowd').ss58;
      const sent = await Promise.all([1n, 2n, 3n, 4n, 5n].map((amount) => chain.transfer(coldkey, to, amount * TAO)));
      sent.forEach(mustPass);
      assert.equal((await chain.balance(to)).free, 15n * TAO);
    },
  },
  {
    claim: 'two connections with one key do not undo each other',
    takes: 'writes',
    run: async ({ chain, other, newKey }, { coldkey }) => {
      const to = newKey('shared').ss58;
      const sent = [chain, other, chain, other].map((connection) => connection.transfer(coldkey, to, TAO));
      (await Promise.all(sent)).forEach(mustPass);
      assert.equal((await chain.balance(to)).free, 4n * TAO);
    },
  },
  {
    claim: 'an old block still shows its old state',
    takes: 'writes',
    run: async ({ chain, newKey }, { coldkey }) => {
      const { best } = await chain.heads();
      const to = newKey('later').ss58;
      mustPass(await chain.transfer(coldkey, to, TAO));
      assert.equal((await chain.balance(to, { hash: best.hash })).free, 0n);
      assert.equal((await chain.balance(to)).free, TAO);
    },
  },
  {
    claim: 'a log head is anchored by a registered hotkey and read by everyone',
    takes: 'writes',
    run: async ({ chain, other, newKey }, { hotkey }) => {
      const head = { height: 12, hash: '5a'.repeat(32) };
      const { block } = mustPass(await chain.anchorLogHead(hotkey, head));
      assert.deepEqual(await other.anchoredLogHead(hotkey.ss58), { ...head, block: block.number });
      assert.equal(await chain.anchoredLogHead(newKey('silent').ss58), null);
      assert.equal((await chain.anchorLogHead(newKey('unknown'), head)).ok, false);
    },
  },
  {
    claim: 'alpha goes to another coldkey and stays on its hotkey',
    takes: 'writes',
    run: async ({ chain, other, newKey }, { coldkey, hotkey }) => {
      const heir = newKey('heir').ss58;
      mustPass(await chain.transferAlpha(coldkey, hotkey.ss58, heir, TAO));
      assert.equal(await other.alphaStake(heir, hotkey.ss58), TAO);
      assert.equal((await chain.transferAlpha(coldkey, hotkey.ss58, heir, 1_000_000n * TAO)).ok, false);
    },
  },
  {
    claim: 'burned alpha still counts as issued, recycled alpha does not, and both are gone from the stake',
    takes: 'writes',
    run: async ({ chain }, { coldkey, hotkey }) => {
      const look = async (at: { hash: string }): Promise<[bigint, bigint]> => [
        await chain.alphaStake(coldkey.ss58, hotkey.ss58, at),
        (await chain.subnet(at)).alphaOut,
      ];
      for (const how of ['burn', 'recycle'] as const) {
        const { block } = mustPass(await chain.retireAlpha(coldkey, hotkey.ss58, TAO, how));
        const before = await look({ hash: await hashOf(chain, block.number - 1) });
        const after = await look({ hash: block.hash });
        // What the subnet issues per block comes on top.
        const issued = after[1] - before[1] + (how === 'recycle' ? TAO : 0n);
        assert.ok(issued >= 0n && issued <= TAO, `${how}: alpha out moved by ${after[1] - before[1]}`);
        assert.ok(before[0] - after[0] <= TAO);
      }
      const staked = await chain.alphaStake(coldkey.ss58, hotkey.ss58);
      assert.equal((await chain.retireAlpha(coldkey, hotkey.ss58, staked * 2n, 'burn')).ok, false);
    },
  },
  {
    claim: 'the next epoch is where the schedule says',
    takes: 'epochs',
    run: async ({ chain, advance }) => {
      const before = await chain.schedule();
      const { best } = await chain.heads();
      assert.ok(before.nextEpochBlock > best.number);
      await advance(before.nextEpochBlock - best.number);
      const after = await chain.schedule();
      assert.ok(after.epochIndex > before.epochIndex);
      assert.ok(after.lastEpochBlock >= before.nextEpochBlock);
    },
  },
  {
    claim: 'a validator’s weights are set or committed once per rate limit, and read back',
    takes: 'epochs',
    run: async ({ chain, other, advance }, { hotkey }) => {
      const { nextEpochBlock } = await chain.schedule();
      const { best } = await chain.heads();
      await advance(Math.max(1, nextEpochBlock - best.number + 1));
      const neurons = await chain.neurons();
      const mine = neurons.find((neuron) => neuron.hotkey === hotkey.ss58);
      assert.equal(mine?.validatorPermit, true);
      const { weightsVersionKey, commitReveal } = await chain.subnet();
      const row: Array<[number, number]> = [
        [mine?.uid ?? -1, 10_000],
        [neurons[0]?.uid ?? -1, 40_000],
      ];
      const receipt = await chain.putWeights(hotkey, row, weightsVersionKey);
      if (!receipt.ok) throw new Error(receipt.error);
      assert.equal(receipt.uid, mine?.uid);
      assert.equal(receipt.mode, commitReveal.enabled ? 'timelocked' : 'plain');
      assert.equal((await neuronOf(chain, hotkey.ss58))?.lastUpdate, receipt.block.number);
      const tooFast = commitReveal.enabled ? 'CommittingWeightsTooFast' : 'SettingWeightsTooFast';
      mustRefuse(await chain.putWeights(hotkey, row, weightsVersionKey), tooFast);
      if (receipt.expectedRevealBlock !== undefined) {
        assert.equal((await chain.pendingWeights(hotkey.ss58)).at(-1)?.revealRound, receipt.revealRound);
        const now = (await chain.heads()).best.number;
        await advance(Math.max(1, receipt.expectedRevealBlock - now));
      }
      assert.equal(await confirmWeights(other, receipt), 'confirmed');
    },
  },
];

async function neuronOf(
  chain: SubnetChain,
  hotkey: string,
): Promise<Awaited<ReturnType<SubnetChain['neurons']>>[number] | undefined> {
  return (await chain.neurons()).find((neuron) => neuron.hotkey === hotkey);
}

/** The hash of a block that is final soon. */
async function hashOf(chain: SubnetChain, number: number): Promise<string> {
  for await (const block of chain.finalizedBlocks(number)) return block.hash;
  throw new Error(`block ${number} never came`);
}

function mustPass(outcome: Outcome): Extract<Outcome, { ok: true }> {
  if (outcome.ok) return outcome;
  throw new Error(`the chain refused: ${outcome.error}`);
}

function mustRefuse(outcome: { ok: true } | { ok: false; error: string }, error: string): void {
  assert.equal(outcome.ok ? 'accepted' : outcome.error, error);
}
