/** Alarms of hosts: shown on the offer while they are fresh, by the machine's own signed word; they refuse nothing and grant nothing. */
import { INVENTORY_INTERVAL_MS, type Inventory, type Offer } from '@celium/contract';
import { signDocument, type KeyPair } from '@celium/chain';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PATIENCE } from '../testing/patience.ts';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { TestMarket } from '../testing/test-market.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

const golden = new URL('../../../../packages/contract/golden/documents/inventory.json', import.meta.url);
const EXAMPLE = (JSON.parse(readFileSync(golden, 'utf8')) as { body: Inventory }).body;

async function tell(agent: FakeAgent, changes: Partial<Inventory> = {}, key?: KeyPair): Promise<void> {
  const { machineId, machineKey } = agent.provider;
  const body = { ...EXAMPLE, machineId, takenAtMs: market.clock.now(), ...changes };
  agent.send({ type: 'inventory', inventory: await signDocument('inventory', body, key ?? machineKey) });
}

async function offerOf(agent: FakeAgent): Promise<Offer> {
  return (await market.call('getOffer', { params: { offerId: await market.offerOf(agent.provider) } })).body;
}

const alarmsOf = async (agent: FakeAgent): Promise<string[] | undefined> =>
  (await offerOf(agent)).hostAlarms?.alarms.map(({ code }) => code);

test('a GPU that is used without a lease and lanes that are missing are on the offer, and the machine is rented all the same', async () => {
  const agent = await market.connectAgent({ changes: { units: [...EXAMPLE.driverUnits] } });
  expect((await offerOf(agent)).hostAlarms).toBeNull();
  await tell(agent, { containers: { ...EXAMPLE.containers!, leaked: 2 } });
  await expect
    .poll(() => alarmsOf(agent), PATIENCE)
    .toEqual(['LEAKED_CONTAINER', 'GPU_USED_WITHOUT_LEASE', 'PCIE_NARROW']);
  const { hostAlarms, verdict } = await offerOf(agent);
  expect(hostAlarms?.watched).toBe(true);
  expect(hostAlarms?.alarms).toMatchObject([
    { unit: null, concernsRenters: false },
    { unit: EXAMPLE.driverUnits[0], concernsRenters: true },
    { detail: '8 of 16 PCIe lanes', concernsRenters: true },
  ]);
  expect(verdict).toBeNull();
});

test('a later inventory takes alarms back, and an old one says nothing any more', async () => {
  const agent = await market.connectAgent();
  const host = { ...EXAMPLE.host, cpuCores: 1 };
  await tell(agent, { host });
  await expect.poll(() => alarmsOf(agent), PATIENCE).toEqual(['CPU_BELOW_MANIFEST']);
  await tell(agent);
  await expect.poll(() => alarmsOf(agent), PATIENCE).toEqual([]);
  market.clock.advance(2 * INVENTORY_INTERVAL_MS + 1);
  expect(await alarmsOf(agent)).toBeUndefined();
});

test('an inventory by another key or of another machine ends the connection and changes nothing', async () => {
  const signedByAnother = await market.connectAgent();
  await tell(signedByAnother, {}, market.validator);
  expect((await signedByAnother.closed()).reason).toMatch(/^KEY_NOT_DELEGATED/);
  expect((await offerOf(signedByAnother)).hostAlarms).toBeNull();
  const ofAnother = await market.connectAgent();
  await tell(ofAnother, { machineId: 'elsewhere' });
  expect((await ofAnother.closed()).reason).toMatch(/^BAD_REQUEST: the inventory is that of another machine/);
});
