/** A market that restarts in the middle of rentals loses nothing, and pays for its own absence. */
import { toHex } from '@celium/chain';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestMarket, type Renter } from '../testing/test-market.ts';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { PATIENCE } from '../testing/patience.ts';
import { renting } from '../testing/renting.ts';

let market: TestMarket;
let renter: Renter;
let offer: { agent: FakeAgent; offerId: string };
beforeEach(async () => {
  market = await TestMarket.start();
  renter = await market.newRenter();
  offer = await market.newOffer();
});
afterEach(() => market.close());

const { rent, read, stop, bill, expectLedgerInOrder } = renting(() => ({ market, renter, offer }));

test('a restart in the middle of a rental loses nothing: the same lease runs on and is billed as one', async () => {
  const { rental, grant } = await market.run(renter, offer);
  market.clock.advance(20_000);
  offer.agent.heartbeat([offer.agent.status(grant, 'ready', 20_000)]);
  await offer.agent.settled();
  await market.stop();
  market.clock.advance(30_000);
  await market.open();
  const agent = await market.connectAgent({
    provider: offer.agent.provider,
    leases: [offer.agent.status(grant, 'ready', 50_000)],
  });
  expect((await read(rental.rentalId)).state).toBe('running');
  market.clock.advance(10_000);
  agent.heartbeat([agent.status(grant, 'ready', 60_000)]);
  await stop(rental.rentalId);
  await agent.expect('lease-command', (frame) => frame.command.body.action.type === 'stop');
  agent.say(agent.status(grant, 'gone', 60_200, { goneReason: 'stopped' }));
  await read(rental.rentalId, 'ended');
  const { billableSeconds } = await bill(rental.rentalId);
  expect(billableSeconds).toBeGreaterThan(58);
  expect(billableSeconds).toBeLessThan(62);
  await expectLedgerInOrder();
});

test('a market that was away for ten minutes owes the provider for the gap, and the renter nothing', async () => {
  const { rental, grant } = await market.run(renter, offer);
  market.clock.advance(10_000);
  offer.agent.heartbeat([offer.agent.status(grant, 'ready', 10_000)]);
  await offer.agent.settled();
  const { provider } = offer.agent;
  await market.stop();
  market.clock.advance(10 * 60_000);
  await market.open();
  const agent = await market.connectAgent({
    provider,
    leases: [offer.agent.status(grant, 'ready', 610_500)],
  });
  await expect.poll(() => market.probes, PATIENCE).toBeGreaterThan(1);
  market.clock.advance(10_000);
  agent.heartbeat([agent.status(grant, 'ready', 620_800)]);
  await stop(rental.rentalId);
  agent.say(agent.status(grant, 'gone', 621_200, { goneReason: 'stopped' }));
  await read(rental.rentalId, 'ended');
  const found = await bill(rental.rentalId);
  expect(found.billableSeconds).toBeLessThan(25);
  expect(found.freeSeconds.find((free) => free.reason.startsWith('the market was away'))?.seconds).toBeGreaterThan(590);
  const { body } = await market.operator('auditLedger');
  const absence = body.accounts.find((account) => account.account === 'platform:absence');
  // 600 s at 100 micro-dollars, of which the provider's share is nine tenths.
  expect(Number(absence?.balanceMicroUsd)).toBeLessThan(-53_000);
  expect(Number(absence?.balanceMicroUsd)).toBeGreaterThan(-55_000);
  await expectLedgerInOrder();
});

test('a market that comes back sends a request that was committed and not sent', async () => {
  offer.agent.close();
  await expect
    .poll(async () => (await market.call('getOffer', { params: { offerId: offer.offerId } })).body.online, PATIENCE)
    .toBe(false);
  const provider = offer.agent.provider;
  const agent = await market.connectAgent({ provider });
  const { rentalId } = await rent();
  await market.stop();
  await market.open();
  const again = await market.connectAgent({ provider });
  const { request } = await again.expect('lease-request');
  expect(request.body.machineKey).toBe(toHex(provider.machineKey.publicKey));
  const grant = await again.grant(request);
  again.say(again.status(grant, 'ready', 0));
  expect(await read(rentalId, 'running')).toMatchObject({ state: 'running' });
  agent.close();
});

test('every connection to PostgreSQL may break at once: the rental goes on, and nothing acknowledged is lost', async () => {
  const { rental, grant } = await market.run(renter, offer);
  const client = new pg.Client({ connectionString: market.market.database.url });
  await client.connect();
  await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  await client.end();
  await expect.poll(async () => (await stop(rental.rentalId)).status, PATIENCE).toBe(200);
  await offer.agent.expect('lease-command', (frame) => frame.command.body.action.type === 'stop');
  offer.agent.say(offer.agent.status(grant, 'gone', 500, { goneReason: 'stopped' }));
  expect(await read(rental.rentalId, 'ended')).toMatchObject({ endReason: 'renter-stopped' });
  await expectLedgerInOrder();
});

test('a rent at one replica reaches an agent at another at once, and who waits there is told', async () => {
  const replica = await market.openReplica();
  const agent = await market.connectAgent({ provider: offer.agent.provider, url: replica.url });
  expect((await offer.agent.closed()).reason).toMatch(/^CONFLICT/);
  const { rentalId } = await rent();
  const { request } = await agent.expect('lease-request');
  const waiting = read(rentalId, 'running');
  const grant = await agent.grant(request);
  agent.say(agent.status(grant, 'ready', 0));
  expect(await waiting).toMatchObject({ state: 'running' });
  agent.close();
  await agent.closed();
  await replica.stop();
});
