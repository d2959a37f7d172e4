/** The public log: chained, signed at its head, the same for everyone, and without the names of renters. */
import { replayLog, toHex, verifyDocument } from '@celium/chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestMarket } from '../testing/test-market.ts';
import { PATIENCE } from '../testing/patience.ts';

let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start();
});
afterAll(() => market.close());

test('what happens is in the log, chained and under a signed head; renters are pseudonyms', async () => {
  const offer = await market.newOffer();
  const renter = await market.newRenter();
  const { rental, grant } = await market.run(renter, offer);
  await market.call('stopRental', { key: renter.key, params: { rentalId: rental.rentalId } });
  offer.agent.say(offer.agent.status(grant, 'gone', 10, { goneReason: 'stopped' }));
  const read = async () => (await market.call('readLog', { query: { limit: '1000' } })).body;
  await expect.poll(async () => (await read()).entries.map((entry) => entry.kind), PATIENCE).toContain('rental-ended');

  const { head, entries } = await read();
  expect(entries.map((entry) => entry.kind)).toEqual(['receipt', 'grant', 'rental-started', 'rental-ended']);
  const verified = verifyDocument('log-head', head, { signer: toHex(market.key.publicKey) });
  expect(verified.ok).toBe(true);
  expect(replayLog(entries, { head: head?.body ?? { height: 0, hash: '' } })).toMatchObject({ ok: true });
  const text = JSON.stringify(entries);
  expect(text).not.toContain(renter.accountId);
  expect(text).not.toContain(renter.email);
  const renters = entries.slice(1).map((entry) => (entry.body as { renter: string }).renter);
  expect(new Set(renters).size).toBe(1);

  const page = (await market.call('readLog', { query: { from: '3', limit: '1' } })).body;
  expect(page.entries).toEqual([entries[2]]);
});

test('a log that goes on after a restart is still one chain', async () => {
  await market.stop();
  await market.open();
  await market.newOffer();
  const read = async () => (await market.call('readLog', { query: { limit: '1000' } })).body;
  await expect.poll(async () => (await read()).entries.length, PATIENCE).toBeGreaterThan(4);
  const { head, entries } = await read();
  expect(replayLog(entries, { head: head?.body ?? { height: 0, hash: '' } })).toMatchObject({ ok: true });
});
