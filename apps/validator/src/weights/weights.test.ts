/** Weights on a devchain: once per epoch, only with a permit and something to say, never twice, whatever crashes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  defaultGenesis,
  Devchain,
  DevchainClient,
  DevchainStore,
  keyFromUri,
  RAO_PER_TAO,
  signDocument,
} from '@celium/chain';
import { DOUBLE_GRANT_FILE_FORM } from '@celium/contract';
import { proofParams } from '@celium/proof';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { composeReceipt } from '../check/receipt.ts';
import { systemTime } from '../clock.ts';
import { ManifestDirectory } from '../discovery/manifest-directory.ts';
import { openDatabase } from '../state/database.ts';
import { GrantBook } from '../state/grant-book.ts';
import { MachineBook } from '../state/machine-book.ts';
import { ReceiptBook } from '../state/receipt-book.ts';
import { UnitRegistry } from '../state/unit-registry.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { readNoted, setWeights, type WeightsPorts } from './weights.ts';

const validator = keyFromUri('//weights-validator');
const coldkey = keyFromUri('//weights-owner');
let folder = '';
let chain: Devchain;
let client: DevchainClient;
let ports: WeightsPorts;
let lines: Array<Record<string, unknown>>;
const agent = new LocalAgent({ nowMs: () => systemTime.unixMs() });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-weights-'));
  const genesis = defaultGenesis({ seed: 'weights', tempo: 20, weightsRateLimitBlocks: 2 });
  let nowMs = genesis.timeMs;
  chain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: () => (nowMs += 12_000) });
  client = new DevchainClient(chain);
  const database = openDatabase(folder);
  lines = [];
  ports = {
    clock: systemTime,
    chain: client,
    hotkey: validator,
    receipts: new ReceiptBook(database),
    machineBook: new MachineBook(database, new ReceiptBook(database)),
    grants: new GrantBook(database),
    registry: new UnitRegistry(database, new ManifestDirectory(database)),
    database,
    crash: () => {},
    report: (line) => void lines.push(line),
  };
});
afterEach(async () => {
  ports.database.close();
  await client.close();
  rmSync(folder, { recursive: true, force: true });
});

async function register(): Promise<void> {
  await client.faucet(coldkey.ss58, 10_000n * RAO_PER_TAO);
  for (const hotkey of [agent.provider.ss58, validator.ss58])
    expect((await client.register(coldkey, hotkey, 1_000n * RAO_PER_TAO)).ok).toBe(true);
  expect((await client.addStake(coldkey, validator.ss58, 5_000n * RAO_PER_TAO)).ok).toBe(true);
  chain.advance(25);
}

async function addPass(): Promise<void> {
  const unit = agent.machine.units[0]!;
  const leased = await agent.leaseTo(validator, [unit]);
  // The local agent leases as to a market; a check by such a grant would be a decoy.
  const grant = { ...leased, body: { ...leased.body, kind: 'verification' as const } };
  const nowMs = systemTime.unixMs();
  const facts = {
    validator: validator.ss58,
    hotkey: agent.provider.ss58,
    machineId: 'box',
    machineKey: agent.machine.machineKey,
    grant,
    hostKeyHash: '00'.repeat(32),
    barrierId: '',
    networkBarrier: false,
    blockNumber: 1,
    blockHash: '5a'.repeat(32),
    tested: 1,
    leased: 0,
    startedAtMs: nowMs,
    endedAtMs: nowMs,
  };
  const outcome = { kind: 'no-proof', code: 'OK', message: 'for the sum only' } as const;
  const body = composeReceipt(crypto.randomUUID(), unit, proofParams('micro', 'onboarding'), facts, outcome);
  const receipt = await signDocument('receipt', { ...body, verdict: 'pass' }, validator);
  ports.receipts.add(receipt, grant, [], nowMs);
}

async function uidOf(hotkey: string): Promise<number> {
  const neuron = (await client.neurons()).find((one) => one.hotkey === hotkey);
  return neuron?.uid ?? -1;
}

test('nothing is submitted without registration, or without a receipt', async () => {
  await setWeights(ports);
  await register();
  await setWeights(ports);
  expect(await client.weights(await uidOf(validator.ss58))).toEqual([]);
});

test('a passing machine gets its weight, once in an epoch, and the stored row is confirmed', async () => {
  await register();
  await addPass();
  await setWeights(ports);
  const { epochIndex } = await client.schedule();
  expect(await client.weights(await uidOf(validator.ss58))).toEqual([[await uidOf(agent.provider.ss58), 65_535]]);
  const height = (await client.heads()).best.number;
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('confirmed');
  await setWeights(ports);
  expect((await client.heads()).best.number).toBe(height);
  expect(ports.receipts.logEntries(1, 10).map((entry) => entry.kind)).toEqual(['receipt', 'weights']);
  expect(lines.filter((line) => line['name'] === 'set weights')).toHaveLength(1);
});

test('a machine key that leased a unit twice is paid nothing for 30 days', async () => {
  await register();
  await addPass();
  const { machineKey, units } = agent.machine;
  const grants = [await agent.leaseTo(validator, units), await agent.leaseTo(validator, units)];
  const evidence = { form: DOUBLE_GRANT_FILE_FORM, machineKey, grants, log: null } as const;
  const dayMs = 86_400_000;
  ports.grants.convict(machineKey, evidence, systemTime.unixMs() - 29 * dayMs);
  await setWeights(ports);
  expect(await client.weights(await uidOf(validator.ss58))).toEqual([]);
  ports.grants.convict(machineKey, evidence, systemTime.unixMs() - 31 * dayMs);
  await setWeights(ports);
  expect(await client.weights(await uidOf(validator.ss58))).toEqual([[await uidOf(agent.provider.ss58), 65_535]]);
});

test('a validator killed right after submitting finds its weights on the chain and submits no second time', async () => {
  await register();
  await addPass();
  await setWeights({
    ...ports,
    crash: () => {
      throw new Error('killed');
    },
  }).catch(() => {});
  const { epochIndex } = await client.schedule();
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitting');
  const height = (await client.heads()).best.number;
  await setWeights(ports);
  await setWeights(ports);
  expect((await client.heads()).best.number).toBe(height);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitted');
});

test('a submission that never arrived is made again after a few blocks, and the next epoch gets its own', async () => {
  await register();
  await addPass();
  await setWeights({ ...ports, chain: lostOnTheWay() }).catch(() => {});
  const { epochIndex } = await client.schedule();
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitting');
  chain.advance(4);
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitted');
  chain.advance(21);
  const next = (await client.schedule()).epochIndex;
  await setWeights(ports);
  expect(readNoted(ports.database, next)?.state).toBe('submitted');
});

/** Replaces the chain by one that takes commits only, tempo 20. */
function useCommitReveal(): void {
  const genesis = defaultGenesis({ seed: 'weights', tempo: 20, weightsRateLimitBlocks: 2, commitReveal: true });
  let nowMs = genesis.timeMs;
  chain = new Devchain({ store: new DevchainStore(':memory:'), genesis, now: () => (nowMs += 12_000) });
  client = new DevchainClient(chain);
  ports = { ...ports, chain: client };
}

test('on a subnet with commit-reveal the row is committed, hidden, and confirmed in the next epoch', async () => {
  useCommitReveal();
  await register();
  await addPass();
  await setWeights(ports);
  const { epochIndex } = await client.schedule();
  const uid = await uidOf(validator.ss58);
  expect(await client.weights(uid)).toEqual([]);
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitted');
  chain.advance(25);
  await setWeights(ports);
  expect(await client.weights(uid)).toEqual([[await uidOf(agent.provider.ss58), 65_535]]);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('confirmed');
  expect(await client.pendingWeights(validator.ss58)).toHaveLength(1);
});

test('a reveal that never comes is an alarm once its epoch is over, and weights go on', async () => {
  useCommitReveal();
  await register();
  await addPass();
  await setWeights(ports);
  const { epochIndex } = await client.schedule();
  chain.setFaults({ lateDrandRounds: 10_000 });
  chain.advance(20);
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('submitted');
  chain.advance(20);
  await setWeights(ports);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('mismatch');
  const alarms = lines.filter((line) => line['name'] === 'confirm weights');
  expect(alarms).toHaveLength(1);
  expect(alarms[0]?.['detail']).toMatch(/reveal never came/);
  expect(readNoted(ports.database, (await client.schedule()).epochIndex)?.state).toBe('submitted');
});

test('a hashed commit is opened in its epoch, by a validator that was started anew in between', async () => {
  useCommitReveal();
  class ByHash extends DevchainClient {
    override putWeights(
      ...[hotkey, row, versionKey]: Parameters<DevchainClient['putWeights']>
    ): ReturnType<DevchainClient['putWeights']> {
      return super.putWeights(hotkey, row, versionKey, { commit: 'hashed' });
    }
  }
  await register();
  await addPass();
  await setWeights({ ...ports, chain: new ByHash(chain) });
  const { epochIndex } = await client.schedule();
  chain.advance(25);
  await setWeights(ports);
  expect(await client.weights(await uidOf(validator.ss58))).toEqual([[await uidOf(agent.provider.ss58), 65_535]]);
  expect(readNoted(ports.database, epochIndex)?.state).toBe('confirmed');
  expect(lines.filter((line) => line['name'] === 'reveal weights')).toHaveLength(1);
});

/** The devchain, with a connection that breaks when weights are sent. */
function lostOnTheWay(): DevchainClient {
  class Cut extends DevchainClient {
    override putWeights(): Promise<never> {
      return Promise.reject(new Error('the connection broke'));
    }
  }
  return new Cut(chain);
}
