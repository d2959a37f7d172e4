/** Every program is killed at every named crash point, started again, and nothing is double-rented, lost or left over. */

import { CRASH_POINTS, type CrashPoint } from '@celium/contract';
import type { Client } from '@celium/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDevchain, keyFromUri, RAO_PER_TAO } from '@celium/chain';
import { until, World, type ProgramName } from './world.ts';

/** How long a market may take from a restart until everything is as it should be (design trust.md, promise 5). */
const CONVERGE_MS = 60_000;

let world: World;

beforeAll(async () => {
  world = await World.start();
  await world.verify();
}, 240_000);

afterAll(async () => {
  await world.close();
});

for (const point of pointsOf('market')) {
  test(`a market killed at ${point} loses nothing`, async () => {
    await surviveCrash('market', point);
  });
}

for (const point of pointsOf('agent')) {
  test(`an agent killed at ${point} loses nothing`, async () => {
    await surviveCrash('agent', point);
  });
}

for (const point of pointsOf('validator')) {
  test(`a validator killed at ${point} leaves no unit leased and checks again`, async () => {
    const before = await newestReceipt();
    const validator = await world.startProgram('validator', { CELIUM_CRASH_AT: point }, ['--recheck-ms', '1']);
    expect(await endWithin(validator.ended, 120_000), validator.tail()).toBe('SIGKILL');
    const again = await world.startProgram('validator', {}, ['--recheck-ms', '1']);
    try {
      await until('a new receipt after the restart', 120_000, async () => {
        const receipt = await newestReceipt();
        return receipt !== undefined && receipt.receiptId !== before?.receiptId && receipt.verdict === 'pass';
      });
    } catch (error) {
      throw new Error(again.tail(), { cause: error });
    } finally {
      await again.end();
    }
    await until('the checked unit to be free', CONVERGE_MS, async () => (await world.containers()).length === 0);
  });
}

for (const point of pointsOf('devchain')) {
  test(`a devchain killed at ${point} keeps what it acknowledged and applies an operation once at most`, async () => {
    const { sender, receiver } = await fundedPair(point);
    await world.program('devchain').end();
    const dying = await world.startProgram('devchain', { CELIUM_CRASH_AT: point });
    const chain = connectDevchain(world.chainUrl);
    const sent = chain.transfer(sender, receiver, 5n * RAO_PER_TAO).catch((error: unknown) => error);
    expect(await endWithin(dying.ended, 30_000), dying.tail()).toBe('SIGKILL');
    await world.startProgram('devchain');
    const outcome = await sent;
    await chain.close();
    const after = connectDevchain(world.chainUrl);
    const { free } = await after.balance(receiver, 'best');
    await after.close();
    const acknowledged = typeof outcome === 'object' && outcome !== null && 'ok' in outcome && outcome.ok === true;
    if (acknowledged) expect(free).toBe(5n * RAO_PER_TAO);
    else expect([0n, 5n * RAO_PER_TAO]).toContain(free);
  });
}

/** One rental with a crash in it: rent, run, stop, through a client that keeps asking; then the books and the machine are looked at. */
async function surviveCrash(name: ProgramName, point: CrashPoint): Promise<void> {
  const renter = await world.newRenter();
  await world.program(name).end();
  const dying = await world.startProgram(name, { CELIUM_CRASH_AT: point });
  let down = true;
  const restarted = dying.ended.then(async (exit) => {
    expect(exit, dying.tail()).toBe('SIGKILL');
    await world.startProgram(name);
    down = false;
  });
  const offerId = await rentableOffer();
  const idempotencyKey = crypto.randomUUID();
  const rental = await insist('the rent', async () =>
    renter.client.call('createRental', { body: { offerId }, idempotencyKey }),
  );
  const params = { rentalId: rental.rentalId };
  await until('the rental to run', CONVERGE_MS, async () => {
    const { state, detail } = await renter.client.call('getRental', { params });
    if (state === 'ended') throw new Error(`the rental ended: ${detail}`);
    return state === 'running';
  });
  // Long enough for there to be something to settle.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const stopKey = crypto.randomUUID();
  await insist('the stop', async () => renter.client.call('stopRental', { params, idempotencyKey: stopKey }));
  await until(
    'the rental to end',
    CONVERGE_MS,
    async () => (await renter.client.call('getRental', { params })).state === 'ended',
  );
  await endWithin(restarted, 30_000);
  expect(down, `${name} never passed ${point}`).toBe(false);
  await expectNothingLost(renter.client);
}

async function expectNothingLost(client: Client): Promise<void> {
  await until('the pod to be gone', CONVERGE_MS, async () => (await world.containers()).length === 0);
  await until('the offer to be free again', CONVERGE_MS, async () => {
    const { offers } = await client.call('listOffers', { query: {} });
    return offers.length === 1 && offers[0]?.freeUnits === 1;
  });
  const { rentals } = await client.call('listRentals', { query: { all: 'true' } });
  expect(rentals).toHaveLength(1);
  const operator = await world.operator();
  const audit = await operator.call('auditLedger');
  expect(audit.ledgerSumMicroUsd).toBe('0');
  expect(audit.violations).toEqual([]);
  const balance = await client.call('getBalance');
  expect(balance.heldMicroUsd).toBe('0');
  const bill = await client.call('getBill', { params: { rentalId: rentals[0]?.rentalId ?? '' } });
  expect(BigInt(balance.availableMicroUsd) + BigInt(bill.chargedMicroUsd)).toBe(1_000_000n);
  expect(BigInt(bill.providerMicroUsd) + BigInt(bill.feeMicroUsd)).toBe(BigInt(bill.chargedMicroUsd));
}

/** Repeats a call with the same idempotency key while a program is down, as a client does. */
async function insist<Reply>(what: string, call: () => Promise<Reply>): Promise<Reply> {
  let reply: Reply | undefined;
  await until(what, CONVERGE_MS, async () => {
    reply = await call();
    return true;
  });
  return reply as Reply;
}

async function rentableOffer(): Promise<string> {
  let offerId = '';
  await until('a rentable offer', CONVERGE_MS, async () => {
    const { offers } = await world.client().call('listOffers', { query: {} });
    offerId = offers[0]?.offerId ?? '';
    return offerId !== '' && (offers[0]?.freeUnits ?? 0) > 0;
  });
  return offerId;
}

async function newestReceipt(): Promise<{ receiptId: string; verdict: string } | undefined> {
  const { receipts } = await world
    .client()
    .call('listReceipts', { params: { machineKey: world.machineKey }, query: {} });
  return receipts[0]?.body;
}

async function fundedPair(name: string): Promise<{ sender: ReturnType<typeof keyFromUri>; receiver: string }> {
  const sender = keyFromUri(`//sender-${name}`);
  const chain = connectDevchain(world.chainUrl);
  await chain.faucet(sender.ss58, 100n * RAO_PER_TAO);
  await chain.close();
  return { sender, receiver: keyFromUri(`//receiver-${name}`).ss58 };
}

async function endWithin<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value | 'still running'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'still running'>((resolve) => {
    timer = setTimeout(() => resolve('still running'), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function pointsOf(name: ProgramName): CrashPoint[] {
  return (Object.keys(CRASH_POINTS) as CrashPoint[]).filter((point) => point.startsWith(`${name}.`));
}
