/** The agent's side of the socket, over a real one: who is spoken to, how a lost market is found again, what is ignored. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyFromUri, toHex } from '@celium/chain';
import { readFileSync } from 'node:fs';
import type { MarketFrame, Signed } from '@celium/contract';
import { systemClock } from '../clock.ts';
import { silentLog } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import { AgentInMemory, marketKey } from '../testing/agent-in-memory.ts';
import { TestMarket } from '../testing/market.ts';
import { MarketLinks } from './market-links.ts';

const CLOCK_OFF_MS = 5 * 60_000;

let agent: AgentInMemory;
let market: TestMarket;
let links: MarketLinks;
let readInventory: () => Promise<Signed<'inventory'>>;
beforeEach(async () => {
  readInventory = () => Promise.reject(new Error('nobody looks'));
  agent = new AgentInMemory();
  await agent.start();
});
afterEach(async () => {
  links.stop();
  await market.goAway();
  agent.destroy();
});

async function connect(now?: () => number): Promise<void> {
  market = new TestMarket(marketKey, now);
  await market.listen();
  const manifest: OwnManifest = {
    signed: await agent.manifest(),
    machine: { ...agent.machine, markets: [{ url: market.url, key: toHex(marketKey.publicKey) }] },
    revoked: false,
  };
  links = new MarketLinks({
    identity: agent.identity,
    manifest: () => manifest,
    desk: agent.desk,
    reconciler: agent.reconciler,
    store: agent.store,
    inventory: { read: () => readInventory() },
    readLogs: (podId) => agent.engine.readLogs(podId),
    clock: systemClock,
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    version: '0.0.0',
    log: silentLog,
  });
  agent.reconciler.onStatus(links.tell);
  links.follow(manifest);
}

test('the first frame is hello, and a lost market is greeted again with its leases', async () => {
  await connect();
  await market.frame('hello');
  expect(market.frames[0]?.type).toBe('hello');
  const grant = await agent.granted();
  await market.goAway();
  market.frames.length = 0;
  await market.listen();
  const hello = await market.frame('hello');
  expect(hello.leases).toMatchObject([{ leaseId: grant.body.leaseId, state: 'ready' }]);
});

test('a market’s clock that is minutes off is learned from its signed time', async () => {
  await connect(() => Date.now() + CLOCK_OFF_MS);
  await market.frame('hello');
  expect(market.attempts).toBe(2);
});

test('another market than the manifest names is left at once, and not pressed', async () => {
  await connect();
  await market.frame('hello');
  market.toldKey = toHex(keyFromUri('//Thief').publicKey);
  await market.goAway();
  const before = market.attempts;
  await market.listen();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(market.attempts - before).toBeGreaterThan(0);
  expect(market.attempts - before).toBeLessThan(6);
});

test('frames that are not of the protocol, and requests that nobody signed, change nothing', async () => {
  await connect();
  await market.frame('hello');
  const request = await agent.sign();
  const forged = { ...request, signature: '0'.repeat(128) };
  for (const frame of [{ type: 'unknown' }, 'text', null, { type: 'lease-request', request: forged }]) {
    market.send(frame as unknown as MarketFrame);
  }
  market.send({ type: 'logs-query', queryId: request.body.requestId, leaseId: request.body.requestId, tailLines: 1 });
  expect(await market.frame('logs')).toMatchObject({ ok: false, code: 'LEASE_UNKNOWN' });
  expect(agent.store.all()).toEqual([]);
  market.send({ type: 'lease-request', request });
  expect((await market.grant(request)).body.requestId).toBe(request.body.requestId);
});

test('an ended lease is told until the market has taken note', async () => {
  await connect();
  await market.frame('hello');
  const grant = await agent.granted();
  await agent.command(grant, { type: 'stop' }, 2);
  const { leaseId } = grant.body;
  await market.lease(leaseId, 'gone');
  await market.goAway();
  market.frames.length = 0;
  await market.listen();
  await market.lease(leaseId, 'gone');
  market.send({ type: 'gone-noted', leaseId });
  await expect.poll(() => agent.store.lease(leaseId)?.noted, { timeout: 10_000 }).toBe(true);
  await market.goAway();
  market.frames.length = 0;
  await market.listen();
  expect((await market.frame('hello')).leases).toEqual([]);
});

test('a market that takes us in is told what the host is like; a host that cannot be looked at, or says odd things, loses no market', async () => {
  const golden = new URL('../../../../packages/contract/golden/documents/inventory.json', import.meta.url);
  const inventory = JSON.parse(readFileSync(golden, 'utf8')) as Signed<'inventory'>;
  await connect();
  const hello = await market.frame('hello');
  market.send(welcome());
  const odd = { ...inventory, body: { ...inventory.body, nvmlAbsent: 'x'.repeat(400) } };
  const read = new Promise<void>((resolve) => {
    readInventory = async () => {
      resolve();
      return odd;
    };
  });
  market.send(welcome());
  await read;
  readInventory = async () => inventory;
  market.send(welcome());
  expect(await market.frame('inventory')).toEqual({ type: 'inventory', inventory });
  expect(market.frames.filter(({ type }) => type === 'hello')).toEqual([hello]);
});

function welcome(): MarketFrame {
  return { type: 'welcome', marketKey: market.toldKey, marketTimeMs: Date.now(), heartbeatIntervalMs: 10_000 };
}
