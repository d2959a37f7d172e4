/** Agents and manifests: who gets in, which machines are listed, and that an offer's terms never change under its id. */
import { AGENT_SOCKET_PATH } from '@celium/contract';
import { keyFromUri, signRequest, toHex } from '@celium/chain';
import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeAgent, machineOf, makeProvider, signManifest, type ManifestChanges } from '../testing/fake-agent.ts';
import { TestMarket } from '../testing/test-market.ts';
import { isPrivateHost } from '@celium/domain';
import { PATIENCE } from '../testing/patience.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

const connect = (options: Partial<Parameters<typeof FakeAgent.connect>[0]> = {}): Promise<FakeAgent> =>
  FakeAgent.connect({
    url: market.url,
    marketKey: market.marketKey,
    provider: makeProvider(),
    now: () => market.clock.now(),
    ...options,
  });

/** Why the market closed the socket of an agent with this manifest. */
async function refusal(changes: ManifestChanges, provider = makeProvider()): Promise<string> {
  const agent = await connect({ provider, changes });
  return (await agent.closed()).reason;
}

test('a machine is listed when its agent has shown a manifest, and is offline when the agent has gone', async () => {
  const agent = await market.connectAgent();
  const machineKey = toHex(agent.provider.machineKey.publicKey);
  const listed = async () =>
    (await market.call('listMachines')).body.machines.find((machine) => machine.machineKey === machineKey);
  expect(await listed()).toMatchObject({ machineId: agent.provider.machineId, online: true });
  const { body } = await market.call('listOffers', { query: { rentable: 'false' } });
  expect(body.offers.find((offer) => offer.machineKey === machineKey)).toMatchObject({
    verdict: null,
    class: null,
    online: true,
    freeUnits: 1,
    notice: expect.stringContaining('can read its memory'),
  });
  agent.close();
  await expect.poll(async () => (await listed())?.online, PATIENCE).toBe(false);
});

describe('a manifest is refused', () => {
  test('with a lower number than one that is known', async () => {
    const provider = makeProvider();
    await market.connectAgent({ provider, changes: { serial: 7 } });
    expect(await refusal({ serial: 6 }, provider)).toMatch(/^CONFLICT: .*number 6, number 7 is known/);
    expect(await refusal({ serial: 7, priceMicroUsdPerUnitHour: '1' }, provider)).toMatch(
      /^CONFLICT: another manifest/,
    );
  });

  test('when it lists neither this machine key nor this market', async () => {
    const provider = makeProvider();
    const other = machineOf(makeProvider(), market.marketKey);
    expect(await refusal({ machines: [other] }, provider)).toMatch(/^KEY_NOT_DELEGATED: .*machine key/);
    expect(await refusal({ marketKey: 'd'.repeat(64) })).toMatch(/^KEY_NOT_DELEGATED: .*market/);
  });

  test('for another subnet, and when its signature does not fit', async () => {
    expect(await refusal({ netuid: 7 })).toMatch(/^BAD_REQUEST: .*subnet 7/);
    const provider = makeProvider();
    const manifest = await signManifest(provider, market.marketKey);
    const changed = { ...manifest, body: { ...manifest.body, serial: 99 } };
    expect((await (await connect({ provider, manifest: changed })).closed()).reason).toMatch(/^SIGNATURE_WRONG/);
    const forged = await signManifest({ ...provider, hotkey: keyFromUri('//thief') }, market.marketKey);
    const stolen = { ...forged, body: { ...forged.body, hotkey: provider.hotkey.ss58 } };
    expect((await (await connect({ provider, manifest: stolen })).closed()).reason).toMatch(/^SIGNATURE_WRONG/);
  });
});

describe('an upgrade is refused', () => {
  test('without a signature, for another audience, and when it is replayed', async () => {
    await expect(connect({ marketKey: 'c'.repeat(64) })).rejects.toThrow('AUDIENCE_WRONG');
    const clock = {
      now: () => market.clock.now(),
      randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    };
    const request = { method: 'GET', path: AGENT_SOCKET_PATH, audience: market.marketKey };
    const headers = await signRequest(request, makeProvider().machineKey, clock);
    expect(await upgrade(headers)).toBe('open');
    expect(await upgrade(headers)).toContain('NONCE_REPLAYED');
    expect(await upgrade({})).toContain('UNAUTHENTICATED');
  });
});

function upgrade(headers: Record<string, string>): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(market.url.replace('http', 'ws') + AGENT_SOCKET_PATH, 'celium-agent-1', { headers });
    socket.once('open', () => {
      socket.terminate();
      resolve('open');
    });
    socket.once('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve(text));
    });
    socket.on('error', () => undefined);
  });
}

test('an agent that says nonsense, or anything before hello, is closed with the reason', async () => {
  const agent = await market.connectAgent();
  agent.sendRaw('{"type":"heartbeat"}');
  expect((await agent.closed()).reason).toMatch(/^BAD_REQUEST: a frame is malformed/);
  const other = await market.connectAgent();
  other.sendRaw('no json');
  expect((await other.closed()).reason).toMatch(/^BAD_REQUEST: a frame is no JSON/);
});

test('a newer connection of a machine takes the place of the older one', async () => {
  const provider = makeProvider();
  const first = await market.connectAgent({ provider });
  await market.connectAgent({ provider });
  expect((await first.closed()).reason).toMatch(/^CONFLICT/);
});

test('a price change makes another offer, the same terms keep theirs, and the old id is gone', async () => {
  const provider = makeProvider();
  const first = await market.newOffer({ provider, changes: { serial: 1, priceMicroUsdPerUnitHour: '1000' } });
  await market.connectAgent({ provider, changes: { serial: 2, priceMicroUsdPerUnitHour: '1000' } });
  expect(await market.offerOf(provider)).toBe(first.offerId);
  await market.connectAgent({ provider, changes: { serial: 3, priceMicroUsdPerUnitHour: '2000' } });
  const dearer = await market.offerOf(provider);
  expect(dearer).not.toBe(first.offerId);
  expect((await market.call('getOffer', { params: { offerId: first.offerId } })).code).toBe('OFFER_UNKNOWN');
  const { body } = await market.call('getOffer', { params: { offerId: dearer } });
  expect(body).toMatchObject({ priceMicroUsdPerUnitHour: '2000', verdict: 'pass' });
});

test('a machine key that a newer manifest leaves out is disconnected, and its offer is gone', async () => {
  const provider = makeProvider();
  const second = { ...makeProvider(), hotkey: provider.hotkey };
  const both = [machineOf(provider, market.marketKey), machineOf(second, market.marketKey)];
  const old = await market.connectAgent({ provider: second, changes: { serial: 1, machines: both } });
  const offerId = await market.offerOf(second);
  await market.connectAgent({ provider, changes: { serial: 2 } });
  expect((await old.closed()).reason).toMatch(/^KEY_NOT_DELEGATED/);
  expect((await market.call('getOffer', { params: { offerId } })).code).toBe('OFFER_UNKNOWN');
});

test('nobody lists another provider’s machine by writing its key into a manifest', async () => {
  const victim = makeProvider();
  const thief = makeProvider();
  const machines = [machineOf(thief, market.marketKey), machineOf(victim, market.marketKey)];
  await market.connectAgent({ provider: thief, changes: { machines } });
  await expect(market.offerOf(victim)).rejects.toThrow('has no offer');
  await market.connectAgent({ provider: victim });
  const { body } = await market.call('listMachines');
  const listed = body.machines.find((machine) => machine.machineId === victim.machineId);
  expect(listed?.hotkey).toBe(victim.hotkey.ss58);
});

test('a machine is sold for the hotkey to which its key has consented, and moves when it consents to another', async () => {
  const seller = makeProvider();
  const buyer = { ...seller, hotkey: makeProvider().hotkey };
  await market.connectAgent({ provider: seller });
  const stolen = {
    ...machineOf(seller, market.marketKey),
    consent: (await signManifest(seller, market.marketKey)).body.machines[0]?.consent,
  };
  expect(await refusal({ machines: [stolen] }, buyer)).toMatch(/^KEY_NOT_DELEGATED: .*consent/);
  await market.connectAgent({ provider: buyer });
  const list = [machineOf(seller, market.marketKey)];
  const third = { ...makeProvider(), hotkey: seller.hotkey };
  await market.connectAgent({
    provider: third,
    changes: { serial: 2, machines: [...list, machineOf(third, market.marketKey)] },
  });
  const { body } = await market.call('listMachines');
  expect(body.machines.find(({ machineId }) => machineId === seller.machineId)?.hotkey).toBe(buyer.hotkey.ss58);
});

test('a simulated machine is never listed', async () => {
  const agent = await market.connectAgent({ changes: { simulated: true } });
  const { machineId } = agent.provider;
  const offers = await market.call('listOffers', { query: { rentable: 'false', limit: '1000' } });
  expect(offers.body.offers.some((offer) => offer.machineId === machineId)).toBe(false);
  expect((await market.call('listMachines')).body.machines.some((machine) => machine.machineId === machineId)).toBe(
    false,
  );
});

test('offers come cheapest first, and by class and price as asked', async () => {
  for (const price of ['900', '100', '500']) await market.newOffer({ changes: { priceMicroUsdPerUnitHour: price } });
  const prices = async (query: Record<string, string>): Promise<number[]> =>
    (await market.call('listOffers', { query })).body.offers.map((offer) => Number(offer.priceMicroUsdPerUnitHour));
  const all = await prices({ class: 'CPU' });
  expect(all).toEqual(all.toSorted((a, b) => a - b));
  expect(all.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...(await prices({ maxPriceMicroUsdPerUnitHour: '500' })))).toBe(500);
  expect(await prices({ class: 'H200' })).toEqual([]);
  expect(await prices({ limit: '1' })).toEqual([all[0]]);
});

test.each([
  ['127.0.0.1', true],
  ['10.1.2.3', true],
  ['100.64.0.9', true],
  ['169.254.169.254', true],
  ['::1', true],
  ['[fd00::1]', true],
  ['::ffff:192.168.1.1', true],
  ['localhost', true],
  ['db.internal', true],
  ['printer', true],
  ['0.0.0.0', true],
  ['8.8.8.8', false],
  ['2606:4700::1111', false],
  ['gpu.example.org', false],
])('%s is private: %s', (host, isPrivate) => {
  expect(isPrivateHost(host)).toBe(isPrivate);
});
