/** The validator's registry of GPUs: fed by manifests and its own receipts, kept across restarts, and what scores and alarms follow. */

import { keyFromUri, signDocument } from '@celium/chain';
import { RECEIPT_VALID_MS, scoreHotkeys } from '@celium/domain';
import { proofParams } from '@celium/proof';
import { afterEach, expect, test } from 'vitest';
import { composeReceipt } from '../check/receipt.ts';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import { reportConflicts } from '../registry-alarms.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from '../testing/check-bench.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { UnitRegistry } from './unit-registry.ts';

const GPU = 'GPU-00000001-aaaa';
const START = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Two providers that list one GPU, and a validator that knows both manifests. */
async function twoClaims() {
  const bench: CheckBench = openCheckBench();
  closers.push(() => bench.close());
  const time = { nowMs: START };
  const [alice, bob] = ['alice', 'bob'].map((name) => new LocalAgent({ name, units: [GPU], nowMs: () => time.nowMs }));
  const directory = new ManifestDirectory(bench.database);
  const lines: Array<Record<string, unknown>> = [];
  const clock = { ...bench.ports.clock, unixMs: () => time.nowMs };
  const world = { time, alice: alice!, bob: bob!, directory, lines, database: bench.database };
  await list(world.alice);
  await list(world.bob);

  async function list(agent: LocalAgent, serial = 1): Promise<void> {
    directory.take(await agent.manifest(serial), { netuid: 51 }, time.nowMs);
  }

  /** A receipt of this validator about the GPU at this agent. */
  async function note(agent: LocalAgent, verdict: 'pass' | 'fail', barrierId: string): Promise<void> {
    const leased = await agent.leaseTo(keyFromUri('//anyone'), [GPU]);
    // The local agent leases as to a market; a check by such a grant would be a decoy.
    const grant = { ...leased, body: { ...leased.body, kind: 'verification' as const } };
    const facts = {
      validator: VALIDATOR.ss58,
      hotkey: agent.provider.ss58,
      machineId: agent.machine.machineId,
      machineKey: agent.machine.machineKey,
      grant,
      hostKeyHash: '00'.repeat(32),
      barrierId,
      networkBarrier: barrierId !== '',
      blockNumber: 1,
      blockHash: '5a'.repeat(32),
      tested: 1,
      leased: 0,
      startedAtMs: time.nowMs,
      endedAtMs: time.nowMs,
    };
    const outcome = { kind: 'no-proof', code: 'OK', message: 'for the registry only' } as const;
    const params = proofParams('micro', 'onboarding');
    const body = { ...composeReceipt(crypto.randomUUID(), GPU, params, facts, outcome), verdict };
    bench.ports.receipts.add(await signDocument('receipt', body, VALIDATOR), grant, [], time.nowMs);
  }

  const registry = new UnitRegistry(bench.database, directory);
  const turn = (): Array<Record<string, unknown>> => {
    const before = lines.length;
    reportConflicts({ clock, registry, report: (line) => void lines.push(line) });
    return lines.slice(before);
  };
  const scores = (): Record<string, number> =>
    Object.fromEntries(
      scoreHotkeys(
        bench.ports.receipts.scored(time.nowMs - RECEIPT_VALID_MS),
        registry.standings(time.nowMs),
        time.nowMs,
      ),
    );
  return { ...world, list, note, registry, turn, scores };
}

test('one GPU in two registrations counts for neither until a barrier, then for the one that passes', async () => {
  const { alice, bob, note, registry, turn, scores, time } = await twoClaims();
  await note(alice, 'pass', 'one');
  expect(scores()).toEqual({ [alice.provider.ss58]: 1 });
  turn();
  time.nowMs += HOUR_MS;
  await note(bob, 'pass', 'two');
  expect(scores()).toEqual({});
  expect(turn()).toMatchObject([{ event: 'alarm', code: 'UNIT_CONFLICT', unit: GPU, state: 'contested' }]);
  expect(turn()).toEqual([]);
  expect(registry.conflicts(10)).toMatchObject([{ unit: GPU, standing: { state: 'contested' } }]);
  const keys = [alice.machine.machineKey, bob.machine.machineKey];
  expect(new Set(keys.map((key) => registry.followedBy(key)))).toEqual(new Set([keys.toSorted()[0]]));
  time.nowMs += HOUR_MS;
  await note(alice, 'fail', 'barrier');
  await note(bob, 'pass', 'barrier');
  expect(scores()).toEqual({ [bob.provider.ss58]: 1 });
  expect(turn()).toMatchObject([{ state: 'held' }]);
  expect(registry.conflicts(10)).toEqual([]);
  expect(registry.history(GPU, 10).map(({ standing }) => standing.state)).toEqual(['held', 'contested', 'held']);
});

test('an established provider keeps its GPU when a thief lists it and passes with a card of his own', async () => {
  const { alice, bob, note, scores, turn, time } = await twoClaims();
  for (let hours = 0; hours <= 24; hours += 2) {
    await note(alice, 'pass', `alone-${hours}`);
    time.nowMs += 2 * HOUR_MS;
  }
  await note(alice, 'pass', 'barrier');
  await note(bob, 'pass', 'barrier');
  expect(scores()).toEqual({ [alice.provider.ss58]: 1 });
  expect(turn()).toMatchObject([{ state: 'held', detail: expect.stringContaining(`not for ${bob.provider.ss58}`) }]);
});

test('a registration that its newest manifest leaves out is over, and the next one counts after its first pass', async () => {
  const { alice, bob, note, list, scores, registry, turn, time } = await twoClaims();
  await note(alice, 'pass', 'one');
  turn();
  alice.machine.units = ['GPU-00000002-bbbb'];
  await list(alice, 2);
  expect(scores()).toEqual({});
  await note(bob, 'pass', 'two');
  expect(scores()).toEqual({ [bob.provider.ss58]: 1 });
  expect(turn()).toEqual([]);
  bob.machine.units = ['GPU-00000003-cccc'];
  await list(bob, 2);
  turn();
  expect(registry.history(GPU, 1)).toMatchObject([{ standing: { state: 'unproven' } }]);
  expect(registry.standings(time.nowMs + RECEIPT_VALID_MS + 1).get('GPU-00000003-cccc')?.state).toBe('unproven');
});

test('a restart forgets no standing and repeats no alarm', async () => {
  const { alice, bob, note, turn, database, time } = await twoClaims();
  await note(alice, 'pass', 'one');
  await note(bob, 'pass', 'two');
  expect(turn()).toHaveLength(1);
  const again = new UnitRegistry(database, new ManifestDirectory(database));
  expect(again.refresh(time.nowMs)).toEqual([]);
  expect(again.conflicts(10)).toMatchObject([{ unit: GPU, atMs: START }]);
});
