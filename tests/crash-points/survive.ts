/** One rental with a crash in it, and what must be true after: nothing is double-rented, lost or left over. */
import { CRASH_POINTS, type CrashPoint } from '@celium/contract';
import type { Client } from '@celium/sdk';
import { expect } from 'vitest';
import { until, type ProgramName, type World } from '../world.ts';

/** How long a market may take from a restart until everything is as it should be (design trust.md, promise 5). */
export const CONVERGE_MS = 60_000;

/** One rental with a crash in it: rent, run, stop, through a client that keeps asking; then the books and the machine are looked at. */
export async function surviveCrash(world: World, name: ProgramName, point: CrashPoint): Promise<void> {
  const renter = await world.newRenter();
  await world.program(name).end();
  const dying = await world.startProgram(name, { CELIUM_CRASH_AT: point });
  let down = true;
  const restarted = dying.ended.then(async (exit) => {
    expect(exit, dying.tail()).toBe('SIGKILL');
    await world.startProgram(name);
    down = false;
  });
  const offerId = await rentableOffer(world);
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
  await expectNothingLost(world, renter.client);
}

async function expectNothingLost(world: World, client: Client): Promise<void> {
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

async function rentableOffer(world: World): Promise<string> {
  let offerId = '';
  await until('a rentable offer', CONVERGE_MS, async () => {
    const { offers } = await world.client().call('listOffers', { query: {} });
    offerId = offers[0]?.offerId ?? '';
    return offerId !== '' && (offers[0]?.freeUnits ?? 0) > 0;
  });
  return offerId;
}

/** Waits for a promise, but not longer than `timeoutMs`. */
export async function endWithin<Value>(promise: Promise<Value>, timeoutMs: number): Promise<Value | 'still running'> {
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

/** The crash points of one program. */
export function pointsOf(name: ProgramName): CrashPoint[] {
  return (Object.keys(CRASH_POINTS) as CrashPoint[]).filter((point) => point.startsWith(`${name}.`));
}
