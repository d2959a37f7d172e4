/** Receipts: only what a permitted validator signed about a listed unit counts, and the verdict follows from the newest of each. */
import { keyFromUri, toHex } from '@celium/chain';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeProvider, type FakeProvider } from '../testing/fake-agent.ts';
import { TestMarket } from '../testing/test-market.ts';
import { PATIENCE } from '../testing/patience.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

async function offerOf(provider: FakeProvider) {
  return (await market.call('getOffer', { params: { offerId: await market.offerOf(provider) } })).body;
}

test('a receipt verifies the machine, is shown as it was signed, and is in the log', async () => {
  const { provider } = await market.connectAgent();
  const answer = await market.publishReceipt(provider, { futureField: { kept: true } } as never);
  expect([answer.status, answer.body]).toEqual([201, { accepted: true }]);
  expect(await offerOf(provider)).toMatchObject({
    verdict: 'pass',
    class: 'CPU',
    measured: { class: 'CPU', deadlineMs: 2 },
  });
  const params = { machineKey: toHex(provider.machineKey.publicKey) };
  const { body } = await market.call('listReceipts', { params });
  expect(body.receipts).toMatchObject([
    { signer: toHex(market.validator.publicKey), body: { futureField: { kept: true } } },
  ]);
  await expect
    .poll(
      async () => (await market.call('readLog', { query: { limit: '1000' } })).body.entries.map((entry) => entry.kind),
      PATIENCE,
    )
    .toContain('receipt');
});

test('a receipt published twice counts once, and a later fail takes the pass away', async () => {
  const { provider } = await market.connectAgent();
  const receiptId = randomUUID();
  await market.publishReceipt(provider, { receiptId });
  expect((await market.publishReceipt(provider, { receiptId })).status).toBe(201);
  const params = { machineKey: toHex(provider.machineKey.publicKey) };
  expect((await market.call('listReceipts', { params })).body.receipts).toHaveLength(1);
  const reason = { code: 'late', message: 'the answer came too late' };
  await market.publishReceipt(provider, { verdict: 'fail', reason, endedAtMs: market.clock.now() + 10 });
  expect(await offerOf(provider)).toMatchObject({ verdict: 'fail' });
});

test('an announced check that passes does not undo a failed decoy; a later decoy does', async () => {
  const { provider } = await market.connectAgent();
  const endedAtMs = market.clock.now();
  await market.publishReceipt(provider, { lease: 'paid', verdict: 'fail', endedAtMs });
  await market.publishReceipt(provider, { endedAtMs: endedAtMs + 10 });
  expect(await offerOf(provider)).toMatchObject({ verdict: 'fail' });
  await market.publishReceipt(provider, { lease: 'paid', endedAtMs: endedAtMs + 20 });
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass' });
});

test('a unit that failed two barriers stays down whatever a lone check says, until barriers pass it', async () => {
  const { provider } = await market.connectAgent();
  const endedAtMs = market.clock.now() - 60_000;
  const say = async (verdict: 'pass' | 'fail', afterMs: number, networkBarrier?: true): Promise<void> => {
    const answer = await market.publishReceipt(provider, {
      verdict,
      startedAtMs: endedAtMs + afterMs - 5_000,
      endedAtMs: endedAtMs + afterMs,
      ...(networkBarrier === undefined ? {} : { networkBarrier }),
    });
    expect(answer.status).toBe(201);
  };
  await say('fail', 0, true);
  await say('pass', 10);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass' });
  await say('fail', 20, true);
  await say('pass', 30);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'fail' });
  await say('pass', 40, true);
  await say('pass', 50, true);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass' });
});

test('an old receipt does not undo a newer one, and none is valid for more than a day', async () => {
  const { provider } = await market.connectAgent();
  const nowMs = market.clock.now();
  await market.publishReceipt(provider, { endedAtMs: nowMs });
  await market.publishReceipt(provider, { verdict: 'fail', startedAtMs: nowMs - 90_000, endedAtMs: nowMs - 60_000 });
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass' });
  market.clock.advance(24 * 3_600_000 + 1_000);
  expect(await offerOf(provider)).toMatchObject({ verdict: null, class: null, receiptId: null });
});

test('of two validators one that fails the machine is enough, of three it takes two', async () => {
  const { provider } = await market.connectAgent();
  const [second, third] = [keyFromUri('//validator-2'), keyFromUri('//validator-3')];
  market.permits.add(second.ss58).add(third.ss58);
  await market.publishReceipt(provider);
  await market.publishReceipt(provider, { verdict: 'fail' }, second);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'fail' });
  await market.publishReceipt(provider, {}, third);
  expect(await offerOf(provider)).toMatchObject({ verdict: 'pass' });
});

test('a receipt is refused by a stranger, for a unit or machine that is not listed, or simulated', async () => {
  const { provider } = await market.connectAgent();
  const stranger = keyFromUri('//stranger');
  expect((await market.publishReceipt(provider, {}, stranger)).code).toBe('KEY_NOT_DELEGATED');
  expect((await market.publishReceipt(provider, { validator: stranger.ss58 })).code).toBe('KEY_NOT_DELEGATED');
  expect((await market.publishReceipt(provider, { unit: 'cpu:other' })).code).toBe('UNITS_UNKNOWN');
  expect((await market.publishReceipt(makeProvider())).code).toBe('NOT_FOUND');
  expect((await market.publishReceipt(provider, { hotkey: makeProvider().hotkey.ss58 })).code).toBe('BAD_REQUEST');
  expect((await market.publishReceipt(provider, { simulated: true })).code).toBe('OFFER_SIMULATED');
  expect((await market.publishReceipt(provider, { endedAtMs: market.clock.now() + 600_000 })).code).toBe('BAD_REQUEST');
  expect(await offerOf(provider)).toMatchObject({ verdict: null });
});
