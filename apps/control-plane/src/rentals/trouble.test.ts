/** What goes wrong with rentals: agents that refuse, are silent, lie or forget; pods that die; money that runs out. */
import { keyFromUri, signDocument } from '@celium/chain';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SSH_KEY, TestMarket, type Renter } from '../testing/test-market.ts';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { PATIENCE } from '../testing/patience.ts';
import { renting } from '../testing/renting.ts';

let market: TestMarket;
let renter: Renter;
let offer: { agent: FakeAgent; offerId: string };
beforeAll(async () => {
  market = await TestMarket.start();
});
beforeEach(async () => {
  market.probeAnswer = { ok: true };
  renter = await market.newRenter();
  offer = await market.newOffer();
});
afterAll(() => market.close());

const { rent, read, stop, bill, balance, freeUnits, expectLedgerInOrder } = renting(() => ({ market, renter, offer }));

describe('before the pod runs', () => {
  test('a refusal of the agent releases units and hold, and the renter reads its reason', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    await offer.agent.refuse(request, 'UNITS_BUSY', 'another market holds the unit');
    expect(await read(rentalId, 'ended')).toMatchObject({
      endReason: 'agent-refused',
      detail: 'the machine refused (UNITS_BUSY): another market holds the unit',
      heldMicroUsd: '0',
    });
    expect(await balance()).toEqual({ availableMicroUsd: '1000000', heldMicroUsd: '0' });
    expect(await freeUnits()).toBe(1);
    await expectLedgerInOrder();
  });

  test('a request that is not answered is sent again, the same bytes', async () => {
    await rent();
    const { request } = await offer.agent.expect('lease-request');
    const requests = () => offer.agent.frames.filter((frame) => frame.type === 'lease-request');
    await expect
      .poll(() => {
        market.clock.advance(500);
        return requests().length;
      }, PATIENCE)
      .toBeGreaterThan(1);
    expect(requests()[1]).toEqual({ type: 'lease-request', request });
  });

  test('an agent that stays silent loses the rental, and a grant that comes later is stopped', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    market.clock.advance(21_000);
    expect(await read(rentalId, 'ended')).toMatchObject({
      endReason: 'agent-silent',
      heldMicroUsd: '0',
      detail: expect.stringContaining('did not answer'),
    });
    const grant = await offer.agent.grant(request);
    const { command } = await offer.agent.expect('lease-command');
    expect(command.body).toMatchObject({ leaseId: grant.body.leaseId, action: { type: 'stop' } });
    await expectLedgerInOrder();
  });

  test('a grant for another request, other units or another authority is no grant', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    await offer.agent.grant(request, { requestHash: 'a'.repeat(64) });
    const ended = await read(rentalId, 'ended');
    expect(ended).toMatchObject({ endReason: 'agent-refused', detail: expect.stringContaining('another request') });
    await offer.agent.expect('lease-command', (frame) => frame.command.body.action.type === 'stop');
  });

  test('a grant that another key signed closes the socket and changes nothing', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    const own = await offer.agent.grant(request, { requestHash: request.body.podDigest });
    const forged = await signDocument('grant', own.body, keyFromUri('//thief'));
    const second = await market.connectAgent({ provider: offer.agent.provider });
    second.send({ type: 'grant', grant: forged });
    expect((await second.closed()).reason).toMatch(/^KEY_NOT_DELEGATED/);
    expect((await read(rentalId)).grant).toBeNull();
  });

  test('a pod that cannot start ends the rental with the reason and costs nothing', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    const grant = await offer.agent.grant(request);
    offer.agent.say(offer.agent.status(grant, 'pulling', 0, { detail: 'the image is fetched' }));
    await expect.poll(async () => (await read(rentalId)).detail, PATIENCE).toBe('the image is fetched');
    const failed = { goneReason: 'start-failed' as const, detail: 'no such image' };
    offer.agent.say(offer.agent.status(grant, 'gone', 0, failed));
    expect(await read(rentalId, 'ended')).toMatchObject({ endReason: 'start-failed', detail: 'no such image' });
    expect(await bill(rentalId)).toMatchObject({ billableSeconds: 0, chargedMicroUsd: '0', lines: [] });
    expect(await freeUnits()).toBe(1);
  });

  test('a pod that the market cannot reach does not run, and does not cost', async () => {
    market.probeAnswer = { ok: false, reason: 'host-key-mismatch', detail: 'the host key is not the one of the grant' };
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    const grant = await offer.agent.grant(request);
    offer.agent.say(offer.agent.status(grant, 'ready', 0));
    await expect.poll(async () => (await read(rentalId)).detail, PATIENCE).toContain('host key');
    expect(await read(rentalId)).toMatchObject({ state: 'starting', billableMs: 0 });
    await stop(rentalId);
    offer.agent.say(offer.agent.status(grant, 'gone', 5_000, { goneReason: 'stopped' }));
    await read(rentalId, 'ended');
    expect(await bill(rentalId)).toMatchObject({ chargedMicroUsd: '0', freeSeconds: [{ reason: 'never ready' }] });
  });

  test('a grant signed again with other ports is taken, one with another host key is not', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    const first = await offer.agent.grant(request);
    await read(rentalId, 'starting');
    const { leaseId, fence } = first.body;
    await offer.agent.grant(request, { leaseId, fence, ports: [{ pod: 22, host: 20_777 }] });
    await expect.poll(async () => (await read(rentalId)).ssh?.port, PATIENCE).toBe(20_777);
    await offer.agent.grant(request, { leaseId, fence, hostKey: SSH_KEY, ports: [{ pod: 22, host: 20_888 }] });
    await offer.agent.settled();
    expect((await read(rentalId)).ssh).toMatchObject({ port: 20_777, hostKey: first.body.hostKey });
  });

  test('a stop before the grant is taken, and the late grant is stopped too', async () => {
    const { rentalId } = await rent();
    const { request } = await offer.agent.expect('lease-request');
    expect((await stop(rentalId)).body.state).toBe('stopping');
    const grant = await offer.agent.grant(request);
    await offer.agent.expect('lease-command', (frame) => frame.command.body.leaseId === grant.body.leaseId);
    offer.agent.say(offer.agent.status(grant, 'gone', 0, { goneReason: 'stopped' }));
    expect(await read(rentalId, 'ended')).toMatchObject({ endReason: 'renter-stopped' });
    expect(await freeUnits()).toBe(1);
  });
});

describe('while it runs', () => {
  test('a pod that dies ends the rental', async () => {
    const { rental, grant } = await market.run(renter, offer);
    offer.agent.say(offer.agent.status(grant, 'gone', 900, { goneReason: 'pod-died', detail: 'exit status 137' }));
    expect(await read(rental.rentalId, 'ended')).toMatchObject({ endReason: 'pod-died', detail: 'exit status 137' });
    expect((await stop(rental.rentalId)).code).toBe('RENTAL_ENDED');
    await expectLedgerInOrder();
  });

  test('an unreachable agent is shown as such after five minutes, is not billed meanwhile, and the unit stays bound', async () => {
    const { rental } = await market.run(renter, offer);
    market.clock.advance(10_000);
    market.clock.advance(5 * 60_000 + 1_000);
    expect(await read(rental.rentalId)).toMatchObject({ state: 'running', unreachable: true });
    expect((await read(rental.rentalId)).billableMs).toBeLessThan(1_000);
    await stop(rental.rentalId);
    offer.agent.close();
    market.clock.advance(61_000);
    expect(await read(rental.rentalId, 'ended')).toMatchObject({ endReason: 'renter-stopped', heldMicroUsd: '0' });
    expect(await freeUnits()).toBe(0);
    await expectLedgerInOrder();
  });

  test('a pod that lets no probe in any more while its agent reports it ready is stopped, not used on unbilled', async () => {
    const { rental, grant } = await market.run(renter, offer);
    market.probeAnswer = { ok: false, reason: 'unreachable', detail: 'the port is closed' };
    let command: unknown;
    for (let tens = 1; tens <= 240 && command === undefined; tens += 1) {
      market.clock.advance(10_000);
      offer.agent.heartbeat([offer.agent.status(grant, 'ready', tens * 10_000)]);
      await offer.agent.settled();
      await new Promise((resolve) => setTimeout(resolve, 5));
      command = offer.agent.frames.find((frame) => frame.type === 'lease-command');
    }
    expect(command).toMatchObject({ command: { body: { action: { type: 'stop' } } } });
    offer.agent.say(offer.agent.status(grant, 'gone', 900_000, { goneReason: 'stopped' }));
    expect(await read(rental.rentalId, 'ended')).toMatchObject({ endReason: 'unreachable-too-long' });
    await expectLedgerInOrder();
  });

  test('a rental is stopped before the money is gone, and never costs more than there was', async () => {
    const poor = await market.newRenter(60_000n);
    const { rental, grant } = await market.run(poor, offer);
    let command: unknown;
    for (let minute = 1; minute <= 12 && command === undefined; minute += 1) {
      for (let tens = 1; tens <= 6; tens += 1) {
        market.clock.advance(10_000);
        offer.agent.heartbeat([offer.agent.status(grant, 'ready', minute * 60_000 - 60_000 + tens * 10_000)]);
        await offer.agent.settled();
      }
      await new Promise((resolve) => setTimeout(resolve, 60));
      command = offer.agent.frames.find((frame) => frame.type === 'lease-command');
    }
    expect(command).toMatchObject({ command: { body: { action: { type: 'stop' } } } });
    offer.agent.say(offer.agent.status(grant, 'gone', 900_000, { goneReason: 'stopped' }));
    const ended = await market.call('getRental', {
      key: poor.key,
      params: { rentalId: rental.rentalId },
      query: { waitFor: 'ended', waitMs: '15000' },
    });
    expect(ended.body).toMatchObject({ endReason: 'balance-exhausted' });
    const charged = BigInt(ended.body.chargedMicroUsd);
    expect(charged).toBeGreaterThan(30_000n);
    expect(charged).toBeLessThanOrEqual(60_000n);
    const { body } = await market.call('getBalance', { key: poor.key });
    expect(BigInt(body.availableMicroUsd)).toBe(60_000n - charged);
    await expectLedgerInOrder();
  });

  test('a removed SSH key is taken out of the running pod, again until the agent has done it', async () => {
    const second = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxn0hEh1v5mIy3nWc9zPq0kqcBq1Wm4l5sJ8YfU2k7b';
    const added = await market.call('addSshKey', { key: renter.key, body: { name: 'second', publicKey: second } });
    const { grant } = await market.run(renter, offer);
    await market.call('removeSshKey', { key: renter.key, params: { keyId: added.body.id } });
    const first = await offer.agent.expect('lease-command');
    expect(first.command.body).toMatchObject({ sequence: 2, action: { type: 'set-ssh-keys', sshKeys: [SSH_KEY] } });
    const commands = () => offer.agent.frames.filter((frame) => frame.type === 'lease-command');
    await expect
      .poll(() => {
        market.clock.advance(500);
        return commands().length;
      }, PATIENCE)
      .toBeGreaterThan(1);
    const again = await offer.agent.expect('lease-command', (frame) => frame.command.body.sequence === 3);
    expect(again.command.body.action).toEqual(first.command.body.action);
    const { leaseId } = grant.body;
    const sequence = commands().at(-1)?.command.body.sequence ?? 0;
    offer.agent.send({ type: 'command-result', leaseId, sequence, ok: true });
    await offer.agent.settled();
    const known = commands().length;
    market.clock.advance(20_000);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(commands()).toHaveLength(known);
  });

  test('the pod’s output is asked of its agent', async () => {
    const { rental } = await market.run(renter, offer);
    const asked = market.call('getLogs', {
      key: renter.key,
      params: { rentalId: rental.rentalId },
      query: { tail: '5' },
    });
    const { queryId } = await offer.agent.expect('logs-query', (frame) => frame.tailLines === 5);
    offer.agent.send({ type: 'logs', queryId, ok: true, text: 'hello\n' });
    expect((await asked).body).toEqual({ text: 'hello\n' });
    offer.agent.close();
    await expect
      .poll(
        async () => (await market.call('getLogs', { key: renter.key, params: { rentalId: rental.rentalId } })).code,
        PATIENCE,
      )
      .toBe('AGENT_UNAVAILABLE');
  });

  test('a term is renewed long before it ends', async () => {
    const { grant } = await market.run(renter, offer);
    market.clock.advance(7 * 3_600_000);
    await market.connectAgent({ provider: offer.agent.provider, leases: [offer.agent.status(grant, 'ready', 1_000)] });
    const renewed = async (agent: FakeAgent) =>
      agent.expect('lease-command', (frame) => frame.command.body.action.type === 'renew');
    const agent = await market.connectAgent({
      provider: offer.agent.provider,
      leases: [offer.agent.status(grant, 'ready', 1_000)],
    });
    expect((await renewed(agent)).command.body).toMatchObject({ leaseId: grant.body.leaseId, fence: grant.body.fence });
  });
});

describe('an agent that comes back', () => {
  test('without a lease that ran has lost its pod', async () => {
    const { rental } = await market.run(renter, offer);
    await market.connectAgent({ provider: offer.agent.provider, leases: [] });
    expect(await read(rental.rentalId, 'ended')).toMatchObject({ endReason: 'pod-died' });
    expect(await freeUnits()).toBe(1);
  });

  test('with a lease that the market has ended, or never knew, is told to stop it', async () => {
    const { rental, grant } = await market.run(renter, offer);
    offer.agent.say(offer.agent.status(grant, 'gone', 100, { goneReason: 'pod-died' }));
    await read(rental.rentalId, 'ended');
    const agent = await market.connectAgent({
      provider: offer.agent.provider,
      leases: [offer.agent.status(grant, 'ready', 200)],
    });
    const { command } = await agent.expect('lease-command');
    expect(command.body).toMatchObject({ leaseId: grant.body.leaseId, action: { type: 'stop' } });
    const unknown = { ...agent.status(grant, 'gone', 0), leaseId: rental.rentalId, requestId: rental.rentalId };
    agent.say(unknown);
    await agent.expect('gone-noted', (frame) => frame.leaseId === rental.rentalId);
  });

  test('is told again to stop what was stopped while it was away', async () => {
    const { rental, grant } = await market.run(renter, offer);
    offer.agent.close();
    await expect
      .poll(async () => (await market.call('getOffer', { params: { offerId: offer.offerId } })).body.online, PATIENCE)
      .toBe(false);
    await stop(rental.rentalId);
    market.clock.advance(61_000);
    await read(rental.rentalId, 'ended');
    expect(await freeUnits()).toBe(0);
    const agent = await market.connectAgent({
      provider: offer.agent.provider,
      leases: [offer.agent.status(grant, 'ready', 9_000)],
    });
    await agent.expect('lease-command', (frame) => frame.command.body.action.type === 'stop');
    agent.say(agent.status(grant, 'gone', 9_100, { goneReason: 'stopped' }));
    await expect.poll(freeUnits, PATIENCE).toBe(1);
    await expectLedgerInOrder();
  });
});
