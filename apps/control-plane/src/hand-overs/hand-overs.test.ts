/** Before a hand-over: an old receipt is renewed first, a failed check costs the renter nothing, and no word but a signed one counts. */
import { keyFromUri, toHex } from '@celium/chain';
import type { HandOverAnswer, Receipt } from '@celium/contract';
import pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FakeAgent } from '../testing/fake-agent.ts';
import { FakeValidator, type Deed } from '../testing/fake-validator.ts';
import { PATIENCE } from '../testing/patience.ts';
import { renting } from '../testing/renting.ts';
import { TestMarket, type Renter } from '../testing/test-market.ts';

let market: TestMarket;
let renter: Renter;
let offer: { agent: FakeAgent; offerId: string };
let fakes: FakeValidator[];
beforeEach(async () => {
  fakes = [];
  market = await TestMarket.start();
  renter = await market.newRenter();
  offer = await market.newOffer();
  // Older than a CPU's receipt may be, and younger than a day.
  market.clock.advance(7 * 3_600_000);
  offer.agent.heartbeat([]);
  await offer.agent.settled();
});
afterEach(async () => {
  await market.close();
  for (const fake of fakes) await fake.close();
});

async function addValidator(deed: Deed, key = market.validator): Promise<FakeValidator> {
  const fake = await FakeValidator.start(key, () => market.clock.now(), deed);
  fakes.push(fake);
  market.permits.add(key.ss58);
  market.validators = [...market.validators, { hotkey: key.ss58, url: fake.url }];
  return fake;
}

const checked = (...receipts: HandOverAnswer['receipts']): HandOverAnswer => ({
  outcome: 'CHECKED',
  message: '',
  receipts,
});
/** Checks at once, and signs what is given. */
const signs =
  (changes: Partial<Receipt> = {}): Deed =>
  async (_ask, fake) =>
    checked(await fake.receipt(offer.agent.provider, changes));
const silent: Deed = () => new Promise(() => undefined);
const FAILED = { verdict: 'fail' as const, reason: { code: 'LATE', message: 'the answer came too late' } };

const { rent, read, stop, freeUnits, expectLedgerInOrder } = renting(() => ({ market, renter, offer }));
const verdictOf = async (rentalId: string) => (await read(rentalId)).check?.verdict;
const requestsTo = (agent: FakeAgent) => agent.frames.filter(({ type }) => type === 'lease-request').length;

test('a fresh receipt costs the renter no waiting: nobody is asked', async () => {
  const validator = await addValidator(signs());
  await market.publishReceipt(offer.agent.provider);
  expect(await rent()).toMatchObject({ state: 'reserved', check: null, detail: null });
  await offer.agent.expect('lease-request');
  expect(validator.asks).toEqual([]);
});

test('an old receipt is renewed before the machine is asked; meanwhile nobody else gets the units, and the agent hears nothing', async () => {
  let answer = (): void => undefined;
  const mayAnswer = new Promise<void>((resolve) => (answer = resolve));
  const validator = await addValidator(async (_ask, fake) => {
    await mayAnswer;
    return checked(await fake.receipt(offer.agent.provider));
  });
  const rental = await rent();
  expect(rental).toMatchObject({ state: 'reserved', detail: 'checking the machine before it is yours, at most 90 s' });
  expect(rental.check).toEqual({ untilMs: rental.createdAtMs + 90_000, verdict: null });
  await expect.poll(() => validator.asks.length, PATIENCE).toBe(1);
  expect(validator.asks[0]).toEqual({
    machineKey: toHex(offer.agent.provider.machineKey.publicKey),
    units: [`cpu:${offer.agent.provider.machineId}`],
    deadlineMs: rental.createdAtMs + 30_000,
    signer: market.marketKey,
  });
  const other = await market.newRenter();
  const second = await market.call('createRental', { key: other.key, body: { offerId: offer.offerId } });
  expect(second.code).toBe('OFFER_TAKEN');
  expect(requestsTo(offer.agent)).toBe(0);
  answer();
  const { request } = await offer.agent.expect('lease-request');
  const grant = await offer.agent.grant(request);
  offer.agent.say(offer.agent.status(grant, 'ready', 0));
  const running = await read(rental.rentalId, 'running');
  expect(running).toMatchObject({ state: 'running', check: { verdict: 'pass' } });
  expect(running.timeline.map(({ detail }) => detail)).toContain('a validator has checked the machine; it is asked');
  // The receipt is shown like any other, and the next renter waits for nothing.
  const params = { offerId: offer.offerId };
  expect((await market.call('getOffer', { params })).body.verifiedAtMs).toBeGreaterThan(rental.createdAtMs);
});

test('a failed check ends the rental unbilled, and the offer shows the failure', async () => {
  await addValidator(signs(FAILED));
  const { rentalId } = await rent();
  expect(await read(rentalId, 'ended')).toMatchObject({
    endReason: 'check-failed',
    detail: 'the check before the hand-over failed: LATE, the answer came too late; nothing was charged',
    check: { verdict: 'fail' },
    movedTo: null,
    chargedMicroUsd: '0',
    heldMicroUsd: '0',
  });
  expect((await market.call('getOffer', { params: { offerId: offer.offerId } })).body).toMatchObject({
    verdict: 'fail',
    freeUnits: 1,
  });
  expect(requestsTo(offer.agent)).toBe(0);
  await expectLedgerInOrder();
});

test('whoever allows it is moved to the next fitting offer, with the money, and never to a dearer one', async () => {
  await addValidator(signs(FAILED));
  await market.newOffer({ changes: { priceMicroUsdPerUnitHour: '360001' } });
  const next = await market.newOffer({ changes: { priceMicroUsdPerUnitHour: '300000' } });
  const { rentalId } = await rent({ moveOn: ['check-failed'], pod: { env: { A: 'b' } } });
  const ended = await read(rentalId, 'ended');
  expect(ended.detail).toMatch(/nothing was charged; moved to the next offer$/);
  expect(await read(ended.movedTo ?? '')).toMatchObject({
    state: 'reserved',
    offerId: next.offerId,
    movedFrom: rentalId,
    check: null,
    priceMicroUsdPerHour: '300000',
    heldMicroUsd: '50000',
  });
  const { request } = await next.agent.expect('lease-request');
  expect(request.body.pod.env).toEqual({ A: 'b' });
  await expectLedgerInOrder();
});

test('without another offer that fits the rental only ends, and says so', async () => {
  await addValidator(signs(FAILED));
  await market.newOffer({ changes: { priceMicroUsdPerUnitHour: '360001' } });
  const { rentalId } = await rent({ moveOn: ['check-failed'] });
  const ended = await read(rentalId, 'ended');
  expect(ended).toMatchObject({ endReason: 'check-failed', movedTo: null, heldMicroUsd: '0' });
  expect(ended.detail).toMatch(/no other offer fits now$/);
});

test('without a validator that can be reached the rental goes on at once, and says so', async () => {
  const { rentalId } = await rent();
  await offer.agent.expect('lease-request');
  const rental = await read(rentalId);
  expect(rental).toMatchObject({ state: 'reserved', check: { verdict: 'none' } });
  expect(rental.timeline.at(-1)?.detail).toBe(
    'no validator has checked the machine; it is asked all the same (none can be reached)',
  );
});

test('while one is silent the next is asked; when all are, the renter waits for 90 seconds and no more', async () => {
  const quiet = await addValidator(silent);
  const second = await addValidator(silent, keyFromUri('//second'));
  const { rentalId } = await rent();
  await expect.poll(() => quiet.asks.length, PATIENCE).toBe(1);
  expect(second.asks).toEqual([]);
  market.clock.advance(10_001);
  await expect.poll(() => second.asks.length, PATIENCE).toBe(1);
  expect(await verdictOf(rentalId)).toBe(null);
  expect(requestsTo(offer.agent)).toBe(0);
  market.clock.advance(80_000);
  await offer.agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('none');
});

test('a validator whose clock is 20 s behind has checked all the same', async () => {
  await addValidator(async (_ask, fake) =>
    checked(
      await fake.receipt(offer.agent.provider, { startedAtMs: fake.now() - 20_000, endedAtMs: fake.now() - 15_000 }),
    ),
  );
  const { rentalId } = await rent();
  await offer.agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('pass');
});

const stranger = keyFromUri('//stranger');
test.each<[string, (fake: FakeValidator) => Promise<HandOverAnswer | string>]>([
  ['CHECKED without a receipt', async () => checked()],
  [
    'an old receipt',
    async (fake) => checked(await fake.receipt(offer.agent.provider, { startedAtMs: fake.now() - 60_000 })),
  ],
  ['a receipt that another signed', async (fake) => checked(await fake.receipt(offer.agent.provider, {}, stranger))],
  [
    'a receipt with a changed verdict',
    async (fake) => {
      const receipt = await fake.receipt(offer.agent.provider, FAILED);
      return checked({ ...receipt, body: { ...receipt.body, verdict: 'pass' } });
    },
  ],
  [
    'a receipt of another machine',
    async (fake) => checked(await fake.receipt({ ...offer.agent.provider, machineKey: stranger })),
  ],
  ['more than an answer may have', async () => JSON.stringify({ ...checked(), message: 'x'.repeat(1_000_000) })],
  ['what is no JSON', async () => '<html>'],
  ['brackets without end', async () => '['.repeat(200_000)],
])('a validator that answers with %s has checked nothing', async (_what, say) => {
  const liar = await addValidator(async (_ask, fake) => say(fake));
  const { rentalId } = await rent();
  await offer.agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('none');
  expect(liar.asks.length).toBeLessThanOrEqual(2);
});

test('a validator whose permit is gone has no say', async () => {
  const validator = await addValidator(signs(FAILED));
  market.permits.delete(validator.key.ss58);
  const { rentalId } = await rent();
  await offer.agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('none');
});

test('a stop while the machine is checked ends the rental at once, unbilled', async () => {
  const validator = await addValidator(silent);
  const { rentalId } = await rent();
  await expect.poll(() => validator.asks.length, PATIENCE).toBe(1);
  const stopped = await stop(rentalId);
  expect(stopped.body).toMatchObject({ state: 'ended', endReason: 'renter-stopped', heldMicroUsd: '0' });
  expect(await freeUnits()).toBe(1);
  await expectLedgerInOrder();
});

test('a market that stops in the middle of a check makes it again when it is back, and asks the machine once', async () => {
  const validator = await addValidator(silent);
  const { rentalId } = await rent();
  await expect.poll(() => validator.asks.length, PATIENCE).toBe(1);
  await market.stop();
  validator.deed = signs();
  await market.open();
  const agent = await market.connectAgent({ provider: offer.agent.provider });
  await agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('pass');
  expect(validator.asks).toHaveLength(2);
});

test('the claim of a replica that died runs out, and another makes the check', async () => {
  const validator = await addValidator(silent);
  const { rentalId } = await rent();
  await expect.poll(() => validator.asks.length, PATIENCE).toBe(1);
  const { url } = market.market.database;
  await market.stop();
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('update hand_overs set claimed_until_ms = $1', [market.clock.now() + 6_000]);
  await client.end();
  validator.deed = signs();
  await market.open();
  const agent = await market.connectAgent({ provider: offer.agent.provider });
  market.clock.advance(6_001);
  await agent.expect('lease-request');
  expect(await verdictOf(rentalId)).toBe('pass');
});

test('of two replicas one makes the check', async () => {
  const validator = await addValidator(silent);
  const replica = await market.openReplica();
  const { rentalId } = await rent();
  await expect.poll(() => validator.asks.length, PATIENCE).toBe(1);
  // Both look for work each second; the claim is kept up meanwhile.
  for (let looks = 0; looks < 2; looks += 1) {
    market.clock.advance(1_001);
    expect(await verdictOf(rentalId)).toBe(null);
  }
  await replica.stop();
  expect(validator.asks).toHaveLength(1);
});
