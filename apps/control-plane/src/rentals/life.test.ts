/** A rental from offer to bill, over the real API, a real socket and a real database. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestMarket } from '../testing/test-market.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

test('a rental goes from offer over grant, running and stop to a bill that adds up', async () => {
  const offer = await market.newOffer();
  const renter = await market.newRenter();
  const { rental, grant } = await market.run(renter, offer);
  expect(rental).toMatchObject({ state: 'running', class: 'CPU', heldMicroUsd: '60000' });
  expect(rental.ssh).toMatchObject({ host: '127.0.0.1', port: 20_001, hostKey: grant.body.hostKey });
  expect(rental.timeline.map((event) => event.state)).toEqual(['reserved', 'starting', 'running']);

  // A minute passes with heartbeats and probes.
  for (let seconds = 10; seconds <= 60; seconds += 10) {
    market.clock.advance(10_000);
    offer.agent.heartbeat([offer.agent.status(grant, 'ready', seconds * 1_000)]);
  }
  const stopped = await market.call('stopRental', { key: renter.key, params: { rentalId: rental.rentalId } });
  expect(stopped.body).toMatchObject({ state: 'stopping', endReason: 'renter-stopped' });
  const { command } = await offer.agent.expect('lease-command');
  expect(command.body).toMatchObject({
    leaseId: grant.body.leaseId,
    fence: grant.body.fence,
    sequence: 2,
    action: { type: 'stop' },
  });
  offer.agent.say(offer.agent.status(grant, 'stopping', 60_100));
  offer.agent.say(offer.agent.status(grant, 'gone', 60_300, { goneReason: 'stopped' }));
  await offer.agent.expect('gone-noted');

  const { body: bill } = await market.call('getBill', { key: renter.key, params: { rentalId: rental.rentalId } });
  expect(bill).toMatchObject({ state: 'ended', endReason: 'renter-stopped' });
  expect(bill.billableSeconds).toBeGreaterThan(59);
  expect(bill.billableSeconds).toBeLessThan(61.5);
  expect(BigInt(bill.chargedMicroUsd)).toBe(BigInt(Math.floor((bill.billableSeconds * 1_000 * 360_000) / 3_600_000)));
  expect(BigInt(bill.providerMicroUsd) + BigInt(bill.feeMicroUsd)).toBe(BigInt(bill.chargedMicroUsd));
  const { body: balance } = await market.call('getBalance', { key: renter.key });
  expect(balance).toEqual({ availableMicroUsd: String(1_000_000n - BigInt(bill.chargedMicroUsd)), heldMicroUsd: '0' });
  const { body: audit } = await market.operator('auditLedger');
  expect(audit).toMatchObject({ ledgerSumMicroUsd: '0', violations: [] });
});
