/** Renting: who gets a unit, who does not, and what they read. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestMarket, type Renter } from '../testing/test-market.ts';
import { PATIENCE } from '../testing/patience.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

const rent = (renter: Renter, offerId: string, more: object = {}, idempotencyKey?: string) =>
  market.call('createRental', {
    key: renter.key,
    body: { offerId, ...more },
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });
const balanceOf = async (renter: Renter) => (await market.call('getBalance', { key: renter.key })).body;

test('of two rents of one offer at the same instant exactly one wins, and the other reads why', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { offerId } = await market.newOffer();
    const renters = await Promise.all([market.newRenter(), market.newRenter()]);
    const answers = await Promise.all(renters.map((renter) => rent(renter, offerId)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([201, 409]));
    const loser = answers.findIndex((answer) => answer.status === 409);
    expect(answers[loser]?.code).toBe('OFFER_TAKEN');
    expect(await balanceOf(renters[loser] as Renter)).toEqual({ availableMicroUsd: '1000000', heldMicroUsd: '0' });
  }
});

test('fifty rents of eight units at once: every unit is rented once, and the rest read that it is taken', async () => {
  const units = Array.from({ length: 8 }, (_, index) => `GPU-0000000${index}-aaaa`);
  const { offerId } = await market.newOffer({ changes: { units } });
  const renters = await Promise.all(Array.from({ length: 6 }, () => market.newRenter()));
  const answers = await Promise.all(
    Array.from({ length: 48 }, (_, index) => rent(renters[index % 6] as Renter, offerId, { unitCount: 1 })),
  );
  const won = answers.filter((answer) => answer.status === 201);
  expect(new Set(won.flatMap((answer) => answer.body.units)).size).toBe(won.length);
  expect(won).toHaveLength(8);
  for (const answer of answers) if (answer.status !== 201) expect(answer.code).toBe('OFFER_TAKEN');
  expect((await market.call('getOffer', { params: { offerId } })).body.freeUnits).toBe(0);
});

test('fifty rents at once on a balance for one: exactly one is had, and the ledger is right', async () => {
  const offers = await Promise.all(Array.from({ length: 10 }, () => market.newOffer()));
  const renter = await market.newRenter(60_000n);
  const answers = await Promise.all(offers.map(({ offerId }) => rent(renter, offerId)));
  expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
  for (const answer of answers)
    if (answer.status !== 201) expect([answer.status, answer.code]).toEqual([402, 'NO_BALANCE']);
  expect(await balanceOf(renter)).toEqual({ availableMicroUsd: '0', heldMicroUsd: '60000' });
  expect((await market.operator('auditLedger')).body).toMatchObject({ ledgerSumMicroUsd: '0', violations: [] });
});

test('the first ten minutes are held, and shown with the rental', async () => {
  const { offerId } = await market.newOffer();
  const renter = await market.newRenter();
  const { body } = await rent(renter, offerId);
  expect(body).toMatchObject({
    state: 'reserved',
    heldMicroUsd: '60000',
    ssh: null,
    grant: null,
    chargedMicroUsd: '0',
  });
  expect(body.image).toBe('celium/base:bookworm');
  expect(await balanceOf(renter)).toEqual({ availableMicroUsd: '940000', heldMicroUsd: '60000' });
  const { body: ledger } = await market.call('listLedger', { key: renter.key });
  expect(ledger.lines.map((line) => [line.kind, line.amountMicroUsd])).toEqual(
    expect.arrayContaining([
      ['grant', '1000000'],
      ['hold', '-60000'],
      ['hold', '60000'],
    ]),
  );
});

test('nine rents at once under one idempotency key are one rental, one request to the agent and one hold', async () => {
  const { agent, offerId } = await market.newOffer();
  const renter = await market.newRenter();
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 9 }, () => rent(renter, offerId, {}, key)));
  expect(new Set(answers.map((answer) => answer.body.rentalId)).size).toBe(1);
  await agent.expect('lease-request');
  expect(agent.frames.filter((frame) => frame.type === 'lease-request')).toHaveLength(1);
  expect((await balanceOf(renter)).heldMicroUsd).toBe('60000');
  expect((await rent(renter, offerId, { unitCount: 1 }, key)).code).toBe('IDEMPOTENCY_MISMATCH');
});

describe('a rent is refused, and holds nothing,', () => {
  test('without money, without an SSH key, of an unknown offer, with a foreign SSH key', async () => {
    const { offerId } = await market.newOffer();
    const poor = await market.newRenter(59_999n);
    expect((await rent(poor, offerId)).code).toBe('NO_BALANCE');
    expect((await rent(poor, randomUUID())).code).toBe('OFFER_UNKNOWN');
    expect((await rent(poor, offerId, { sshKeyIds: [randomUUID()] })).code).toBe('NOT_FOUND');
    const email = `keyless-${randomUUID()}@example.org`;
    const session = await market.call('signUp', { body: { email, password: 'a long enough password' } });
    expect((await rent({ key: session.body.apiKey, email, accountId: '' }, offerId)).code).toBe('NO_SSH_KEY');
    expect(await balanceOf(poor)).toEqual({ availableMicroUsd: '59999', heldMicroUsd: '0' });
    expect((await market.call('getOffer', { params: { offerId } })).body.freeUnits).toBe(1);
  });

  test('of a machine that nobody has verified, that failed, or that is offline', async () => {
    const renter = await market.newRenter();
    const agent = await market.connectAgent();
    const offerId = await market.offerOf(agent.provider);
    expect((await rent(renter, offerId)).code).toBe('OFFER_UNVERIFIED');
    await market.publishReceipt(agent.provider, { verdict: 'fail', endedAtMs: market.clock.now() - 10 });
    expect((await rent(renter, offerId)).code).toBe('OFFER_UNVERIFIED');
    await market.publishReceipt(agent.provider);
    agent.close();
    await expect
      .poll(async () => (await market.call('getOffer', { params: { offerId } })).body.online, PATIENCE)
      .toBe(false);
    expect((await rent(renter, offerId)).code).toBe('MACHINE_OFFLINE');
  });

  test('with a pod spec beyond the allow-list, above the price asked for, or for more units than there are', async () => {
    const { offerId } = await market.newOffer();
    const renter = await market.newRenter();
    expect((await rent(renter, offerId, { pod: { privileged: true } })).code).toBe('BAD_REQUEST');
    expect((await rent(renter, offerId, { pod: { env: { LD_PRELOAD: '/x' } } })).code).toBe('BAD_POD_SPEC');
    expect((await rent(renter, offerId, { maxPriceMicroUsdPerUnitHour: '359999' })).code).toBe('CONFLICT');
    expect((await rent(renter, offerId, { unitCount: 2 })).code).toBe('BAD_REQUEST');
    const fine = { pod: { image: 'debian:12', env: { A: 'b' }, ports: [8080] }, maxPriceMicroUsdPerUnitHour: '360000' };
    expect((await rent(renter, offerId, fine)).body).toMatchObject({ state: 'reserved', image: 'debian:12' });
  });
});
