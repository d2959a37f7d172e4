/** Machine receipts: a failed part takes the machine off the market with its reason, until that part passes again. */
import { signDocument, toHex } from '@celium/chain';
import type { MachineParts, MachineReceipt } from '@celium/contract';
import { MACHINE_RECEIPT_VALID_MS } from '@celium/domain';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FakeProvider } from '../testing/fake-agent.ts';
import { TestMarket } from '../testing/test-market.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

const none = { verdict: 'not-tested' as const, code: 'NOT_DUE', message: '' };
const PARTS: MachineParts = {
  storage: { ...none, bytesWritten: 0, bytesRead: 0, passes: 0, readP50Ms: 0, readP90Ms: 0, readP99Ms: 0 },
  image: { ...none, digest: '', imageBytes: 0, bytesRead: 0, deployMs: 0 },
  ports: { ...none, tried: 0, reached: 0, rangeReached: 0, rangePorts: 10 },
  network: { ...none, upBytesPerSecond: 0, downBytesPerSecond: 0, payloadBytes: 0, vantages: 0 },
  location: { ...none, rttMinMs: 0, distanceKmAtMost: 0, vantages: 0 },
};

async function publish(provider: FakeProvider, changes: Partial<MachineReceipt> & { parts: MachineParts }) {
  const { validator } = market;
  const failed = Object.values(changes.parts).some((part) => (part as { verdict: string }).verdict === 'fail');
  const body: MachineReceipt = {
    receiptId: randomUUID(),
    validator: validator.ss58,
    hotkey: provider.hotkey.ss58,
    machineId: provider.machineId,
    machineKey: toHex(provider.machineKey.publicKey),
    grantHash: 'ab'.repeat(32),
    hostKeyHash: 'cd'.repeat(32),
    blockNumber: 1,
    blockHash: 'ef'.repeat(32),
    verdict: failed ? 'fail' : 'pass',
    startedAtMs: market.clock.now() - 1_000,
    endedAtMs: market.clock.now(),
    ...changes,
  };
  const receipt = await signDocument('machine-receipt', body, validator);
  return market.asValidator('publishMachineReceipt', { receipt }, validator);
}

async function offerOf(provider: FakeProvider) {
  return (await market.call('getOffer', { params: { offerId: await market.offerOf(provider) } })).body;
}

const slowDisk = { ...PARTS.storage, verdict: 'fail' as const, code: 'DISK_SLOW', message: 'too slow' };
const goodDisk = { ...PARTS.storage, verdict: 'pass' as const, code: 'OK', bytesWritten: 1e9, readP50Ms: 0.4 };

test('a machine that nobody has looked at is rented as before, and one whose disk failed is not, for a public reason', async () => {
  const { provider } = await market.connectAgent();
  await market.publishReceipt(provider);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass', machineCheck: null });
  expect((await publish(provider, { parts: { ...PARTS, storage: slowDisk } })).status).toBe(201);
  const offer = await offerOf(provider);
  expect(offer).toMatchObject({ verdict: 'fail', machineCheck: { verdict: 'fail' } });
  expect(offer.machineCheck?.parts['storage']).toMatchObject({
    verdict: 'fail',
    code: 'DISK_SLOW',
    message: 'too slow',
  });
  const params = { machineKey: offer.machineKey };
  const { body } = await market.call('listMachineReceipts', { params });
  expect(body.receipts).toHaveLength(1);
});

test('a check that does not test the failed part leaves it failed; a pass of that part, or a week, clears it', async () => {
  const { provider } = await market.connectAgent();
  await market.publishReceipt(provider);
  await publish(provider, { parts: { ...PARTS, storage: slowDisk } });
  const openPorts = { ...PARTS.ports, verdict: 'pass' as const, code: 'OK', tried: 8, reached: 8 };
  await publish(provider, { parts: { ...PARTS, ports: openPorts }, endedAtMs: market.clock.now() + 1 });
  expect(await offerOf(provider)).toMatchObject({ verdict: 'fail' });
  await publish(provider, { parts: { ...PARTS, storage: goodDisk }, endedAtMs: market.clock.now() + 2 });
  const offer = await offerOf(provider);
  expect(offer).toMatchObject({ verdict: 'pass', machineCheck: { verdict: 'pass' } });
  expect(offer.machineCheck?.parts['storage']).toMatchObject({ verdict: 'pass', figures: { readP50Ms: 0.4 } });
  expect(Object.keys(offer.machineCheck?.parts ?? {}).sort()).toEqual(['ports', 'storage']);
});

test('a failure says nothing any more once its time is over', async () => {
  const { provider } = await market.connectAgent();
  await publish(provider, {
    parts: { ...PARTS, storage: slowDisk },
    startedAtMs: 0,
    endedAtMs: market.clock.now() - MACHINE_RECEIPT_VALID_MS - 1,
  });
  expect(await offerOf(provider)).toMatchObject({ machineCheck: null });
});

test('a machine receipt by another key, of another machine, of the future or cut short is refused and changes nothing', async () => {
  const { provider } = await market.connectAgent();
  const parts = { ...PARTS, storage: slowDisk };
  expect((await publish(provider, { parts, machineKey: '12'.repeat(32) })).code).toBe('NOT_FOUND');
  expect((await publish(provider, { parts, machineId: 'other' })).code).toBe('BAD_REQUEST');
  expect((await publish(provider, { parts, endedAtMs: market.clock.now() + 3_600_000 })).code).toBe('BAD_REQUEST');
  expect((await publish(provider, { parts, validator: provider.hotkey.ss58 })).code).toBe('KEY_NOT_DELEGATED');
  expect(await offerOf(provider)).toMatchObject({ machineCheck: null });
});
