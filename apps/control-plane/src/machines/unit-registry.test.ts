/** A GPU that two registrations pass for is rented to nobody, until a barrier shows whose it is. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FakeProvider } from '../testing/fake-agent.ts';
import { TestMarket, type Renter } from '../testing/test-market.ts';

let market: TestMarket;
let renter: Renter;
beforeAll(async () => {
  market = await TestMarket.start();
  renter = await market.newRenter();
});
afterAll(() => market.close());

async function conflictOf(provider: FakeProvider): Promise<string | null> {
  const { body } = await market.call('getOffer', { params: { offerId: await market.offerOf(provider) } });
  if (body.unitConflict !== null) expect(body.unitConflict.message).toContain('a GPU of this machine');
  return body.unitConflict?.state ?? null;
}

async function rentable(): Promise<string[]> {
  return (await market.call('listOffers', { query: { limit: '1000' } })).body.offers.map(({ offerId }) => offerId);
}

async function rentCode(offerId: string): Promise<string | null> {
  return (await market.call('createRental', { key: renter.key, body: { offerId } })).code;
}

test('two machines that pass for one GPU are not rented, with the reason, until one barrier separates them', async () => {
  const unit = `GPU-${randomUUID()}`;
  const first = await market.newOffer({ changes: { units: [unit] } });
  expect(await rentable()).toContain(first.offerId);
  const second = await market.newOffer({ changes: { units: [unit] } });
  for (const { agent, offerId } of [first, second]) {
    expect(await conflictOf(agent.provider)).toBe('contested');
    expect(await rentable()).not.toContain(offerId);
    expect(await rentCode(offerId)).toBe('OFFER_CONTESTED');
  }
  const barrierId = randomUUID();
  const endedAtMs = market.clock.now() + 10;
  await market.publishReceipt(first.agent.provider, { unit, barrierId, networkBarrier: true, endedAtMs });
  const failed = { verdict: 'fail' as const, reason: { code: 'late', message: 'the answer came too late' } };
  await market.publishReceipt(second.agent.provider, { unit, barrierId, networkBarrier: true, endedAtMs, ...failed });
  expect(await conflictOf(first.agent.provider)).toBeNull();
  expect(await rentable()).toContain(first.offerId);
  expect(await rentCode(second.offerId)).toBe('OFFER_UNVERIFIED');
  expect(await rentCode(first.offerId)).toBeNull();
});

test('a GPU that passes twice in one barrier is spoofed, and stays with who has passed for a day longer', async () => {
  const unit = `GPU-${randomUUID()}`;
  const nowMs = market.clock.now();
  const old = await market.newOffer({ changes: { units: [unit] } });
  const copy = await market.newOffer({ changes: { units: [unit] } });
  const barrier = { unit, barrierId: randomUUID(), networkBarrier: true as const, endedAtMs: nowMs + 10 };
  for (const { agent } of [old, copy]) await market.publishReceipt(agent.provider, barrier);
  expect([await conflictOf(old.agent.provider), await conflictOf(copy.agent.provider)]).toEqual(['spoofed', 'spoofed']);
  const dayBefore = nowMs - 25 * 3_600_000;
  await market.publishReceipt(old.agent.provider, { unit, startedAtMs: dayBefore - 1_000, endedAtMs: dayBefore });
  expect([await conflictOf(old.agent.provider), await conflictOf(copy.agent.provider)]).toEqual([
    null,
    'held-elsewhere',
  ]);
  expect(await rentCode(copy.offerId)).toBe('OFFER_CONTESTED');
});

test('a manifest that only lists another’s GPU takes nothing from its holder', async () => {
  const unit = `GPU-${randomUUID()}`;
  const holder = await market.newOffer({ changes: { units: [unit] } });
  const thief = await market.connectAgent({ changes: { units: [unit] } });
  expect(await conflictOf(holder.agent.provider)).toBeNull();
  expect(await rentable()).toContain(holder.offerId);
  expect(await rentCode(await market.offerOf(thief.provider))).toBe('OFFER_UNVERIFIED');
});
