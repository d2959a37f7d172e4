/** One barrier for all: the coordinator commits, tells validators, discloses; whoever joins arrives at the same second or is told why not. */

import { createHash, randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import {
  defaultGenesis,
  Devchain,
  DevchainClient,
  DevchainStore,
  keyFromUri,
  RAO_PER_TAO,
  signDocument,
  type KeyPair,
} from '@celium/chain';
import type { Signed } from '@celium/contract';
import { BARRIER_DRAW_BLOCKS, barrierCommitment, barrierIdOf, barrierMomentMs, barrierWindow } from '@celium/domain';
import { expect, test } from 'vitest';
import { VirtualTime } from '../testing/virtual-time.ts';
import { BarrierKeeper } from './barrier-keeper.ts';
import { EpochWatch, finalizedBlock } from './epoch-watch.ts';

const BLOCK_MS = 12_000;
const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();

interface Validator {
  key: KeyPair;
  keeper: BarrierKeeper;
  log: Array<{ kind: string; body: unknown }>;
  lines: Array<Record<string, unknown>>;
}

/** Two validators of one chain whose blocks come every 12 s; `tamper` changes what the coordinator says to the other. */
async function network(tempo: number, tamper: (said: Signed<'barrier'>, key: KeyPair) => unknown = (said) => said) {
  const time = new VirtualTime();
  const genesis = defaultGenesis({ tempo, timeMs: time.unixMs() });
  const devchain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: time.unixMs });
  const chain = new DevchainClient(devchain);
  const keys = [keyFromUri('//one'), keyFromUri('//two')];
  for (const key of keys) {
    await chain.register(keyFromUri('//Alice'), key.ss58, 10n * RAO_PER_TAO);
    await chain.addStake(keyFromUri('//Alice'), key.ss58, 10n * RAO_PER_TAO);
    await chain.serveAxon(key, { ip: '127.0.0.1', port: 7760, protocol: 4 });
  }
  const validators = new Map<string, Validator>();
  const keeperOf = (key: KeyPair, database = new DatabaseSync(':memory:')): Validator => {
    database.exec('CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT');
    const epochs = new EpochWatch({ chain, clock: time, hotkey: key });
    const made: Omit<Validator, 'keeper'> = { key, log: [], lines: [] };
    const keeper = new BarrierKeeper({
      chain,
      clock: time,
      randomBytes,
      hotkey: key,
      netuid: 51,
      database,
      appendLog: (kind, body) => made.log.push({ kind, body }),
      view: () => epochs.view(),
      ask: async (coordinator) => {
        const asked = validators.get(coordinator);
        const said = (await asked?.keeper.statement(asked.keeper.mayJoin(key.ss58))) ?? null;
        return said === null || asked === undefined ? null : ((await tamper(said, asked.key)) as Signed<'barrier'>);
      },
      report: (line) => void made.lines.push(line),
    });
    const refresh = keeper.refresh.bind(keeper);
    keeper.refresh = async () => {
      await epochs.refresh();
      await refresh();
    };
    return { ...made, keeper };
  };
  for (const key of keys) validators.set(key.ss58, keeperOf(key));
  const block = async (): Promise<void> => {
    const passedMs = time.nowMs() + BLOCK_MS;
    time.setTimer(BLOCK_MS, () => {});
    await time.run(() => time.nowMs() >= passedMs);
    devchain.advance(1);
    for (const { keeper } of validators.values()) await keeper.refresh();
  };
  const blocksUntil = async (isOver: () => boolean): Promise<void> => {
    for (let blocks = 0; !isOver() && blocks < 2 * tempo; blocks += 1) await block();
  };
  const watch = new EpochWatch({ chain, clock: time, hotkey: keys[0]! });
  do {
    await block();
    await watch.refresh();
  } while (watch.view()?.permits.length !== keys.length);
  const coordinator = watch.view()?.coordinator ?? '';
  const leader = validators.get(coordinator)!;
  const joiner = [...validators.values()].find(({ key }) => key.ss58 !== coordinator)!;
  return { time, chain, block, blocksUntil, leader, joiner, watch, keeperOf };
}

test('the coordinator commits before the deciding block; both then know one second, which nobody else is told', async () => {
  const { blocksUntil, leader, joiner, chain, watch, time } = await network(360);
  const early = await leader.keeper.statement(true);
  expect(early?.body.secret).toBeNull();
  expect(joiner.keeper.current()).toBeNull();
  await blocksUntil(() => joiner.keeper.current() !== null);
  const barrier = joiner.keeper.current();
  expect(barrier).toEqual(leader.keeper.current());
  expect(barrier?.momentMs).toBeGreaterThan(time.unixMs() + 60_000);
  expect((await leader.keeper.statement(false))?.body.secret).toBeNull();
  expect(JSON.stringify(leader.keeper.describe())).not.toContain(String(barrier?.momentMs));
  expect(leader.keeper.mayJoin('5Stranger')).toBe(false);
  expect(await joiner.keeper.statement(true)).toBeNull();

  const { block, tempo } = watch.view()!;
  const secret = (await leader.keeper.statement(true))?.body.secret ?? '';
  expect(Buffer.from(barrierCommitment(block.hash, secret, sha256)).toString('hex')).toBe(early?.body.commitment);
  const draw = await finalizedBlock(chain, block.number + BARRIER_DRAW_BLOCKS);
  const window = barrierWindow(block.timeMs, draw.timeMs, tempo)!;
  expect(barrierMomentMs(window, draw.hash, secret, sha256)).toBe(barrier?.momentMs);
  expect(Buffer.from(barrierIdOf(block.hash, secret, sha256)).toString('hex')).toBe(barrier?.id);
});

test('after the barrier its secret is public, in the statement and in the coordinator’s log', async () => {
  const { blocksUntil, leader } = await network(360);
  await blocksUntil(() => leader.log.some(({ kind }) => kind === 'barrier-disclosed'));
  const said = await leader.keeper.statement(false);
  expect(said?.body.secret).toMatch(/^[0-9a-f]{64}$/);
  expect(leader.log.map(({ kind }) => kind)).toEqual(['barrier-commitment', 'barrier-disclosed']);
  expect(leader.log[1]?.body).toMatchObject({ secret: said?.body.secret, ...leader.keeper.current() });
  expect(leader.keeper.describe()).toMatchObject({ state: 'over', barrier: leader.keeper.current() });
});

test('a coordinator that starts anew keeps its secret', async () => {
  const { leader, keeperOf } = await network(360);
  const database = new DatabaseSync(':memory:');
  const first = keeperOf(leader.key, database);
  await first.keeper.refresh();
  const again = keeperOf(leader.key, database);
  await again.keeper.refresh();
  const commitments = [first, again].map(async ({ keeper }) => (await keeper.statement(false))?.body.commitment);
  const [before, after] = await Promise.all(commitments);
  expect(before).toMatch(/^[0-9a-f]{64}$/);
  expect(after).toBe(before);
  expect(again.log).toEqual([]);
});

test('a secret that is not the committed one, and a second commitment, are not followed', async () => {
  const wrongSecret = await network(360, ({ body }, key) =>
    signDocument('barrier', { ...body, secret: body.secret && 'ab'.repeat(32) }, key),
  );
  await wrongSecret.blocksUntil(() => wrongSecret.joiner.lines.length > 0);
  expect(wrongSecret.joiner.lines[0]).toMatchObject({ detail: expect.stringContaining('not the one') });
  expect(wrongSecret.joiner.keeper.current()).toBeNull();

  let asked = 0;
  const second = await network(360, ({ body }, key) =>
    signDocument('barrier', { ...body, commitment: (asked++ % 2 === 0 ? 'aa' : 'bb').repeat(32) }, key),
  );
  await second.blocksUntil(() => second.joiner.lines.length > 0);
  expect(second.joiner.lines[0]).toMatchObject({ detail: expect.stringContaining('two secrets') });
});

test('a chain with short epochs has no barriers and makes no secrets', async () => {
  const { block, leader, joiner } = await network(20);
  for (let blocks = 0; blocks < 45; blocks += 1) await block();
  expect([leader.keeper.current(), joiner.keeper.current()]).toEqual([null, null]);
  expect(leader.log).toEqual([]);
});
