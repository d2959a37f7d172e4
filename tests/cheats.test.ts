/** Cheating machines against the real validator over real SSH into real pods: each is refused with its reason in a signed receipt. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyDocument } from '@celium/chain';
import type { Receipt, Rental } from '@celium/contract';
import type { Client } from '@celium/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildToolsFolder } from '../apps/agent/src/engine/tools-folder.ts';
import { buildProver, type Cheat } from '../apps/prover/build.ts';
import { until, World } from './world.ts';

let world: World;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'celium-cheats-'));
  world = await World.start();
});

afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

test('a prover that skips 20 % of its tiles is refused, and its machine is not rented', async () => {
  await useForeignTools('skip-tiles');
  const receipt = await check();
  expect(receipt).toMatchObject({ verdict: 'fail', reason: { code: 'skipped-work' } });
  const renter = await world.newRenter();
  const { offers } = await renter.client.call('listOffers', { query: { rentable: 'false' } });
  expect(offers[0]).toMatchObject({ verdict: 'fail' });
  const rent = renter.client.call('createRental', { body: { offerId: offers[0]?.offerId ?? '' } });
  await expect(rent).rejects.toMatchObject({ code: 'OFFER_UNVERIFIED' });
});

test('a prover that answers another seed is refused', async () => {
  await useForeignTools('other-seed');
  expect(await check()).toMatchObject({ verdict: 'fail', reason: { code: 'wrong-seed' } });
});

test('an honest prover passes, and behind a delay beyond its deadline it is refused as late', async () => {
  await useForeignTools(undefined);
  const passed = await check();
  expect(passed).toMatchObject({ verdict: 'pass', reason: { code: 'OK' } });
  // Each way: there and back alone take longer than the whole deadline, however fast the machine is.
  const delayMs = Math.ceil(passed.measured.deadlineMs * 0.6);
  const late = await check(['--link', `delay=${delayMs}`]);
  expect(late).toMatchObject({ verdict: 'fail', reason: { code: 'late' } });
  expect(late.measured.proofMs).toBeGreaterThan(late.measured.deadlineMs);
});

test('a machine that cheats from its pass on is found at the hand-over, which costs its renter nothing; an honest one is handed over', async () => {
  await useForeignTools(undefined);
  expect(await check()).toMatchObject({ verdict: 'pass' });
  await world.program('market').end();
  // Every receipt is too old for this market: each rent brings a check, which it asks of the validator at its axon.
  await world.startProgram('market', {}, ['--receipt-age-ms', '0']);
  const validator = await world.startProgram('validator');
  try {
    const { client } = await world.newRenter();
    const honest = await rentUntil(client, 'running');
    expect(honest.check?.verdict, validator.tail()).toBe('pass');
    await client.call('stopRental', { params: { rentalId: honest.rentalId } });
    await until('the rental to be paid', 60_000, async () => (await client.call('getBalance')).heldMicroUsd === '0');
    const before = await client.call('getBalance');
    await useForeignTools('other-seed');
    const refused = await rentUntil(client, 'ended');
    expect(refused, validator.tail()).toMatchObject({
      endReason: 'check-failed',
      check: { verdict: 'fail' },
      chargedMicroUsd: '0',
    });
    expect(await client.call('getBalance')).toEqual(before);
  } finally {
    await validator.end();
  }
});

/** Rents the machine's offer as soon as it can be rented, and waits for a state of the rental. */
async function rentUntil(client: Client, state: 'running' | 'ended'): Promise<Rental> {
  let rental: Rental | undefined;
  await until('the offer to be rentable', 120_000, async () => {
    const { offers } = await client.call('listOffers');
    const offerId = offers[0]?.offerId;
    if (offerId === undefined) return false;
    rental = await client.call('createRental', { body: { offerId } });
    return true;
  });
  await until(`the rental to be ${state}`, 150_000, async () => {
    rental = await client.call('getRental', { params: { rentalId: rental?.rentalId ?? '' } });
    if (rental.state === 'ended' && state !== 'ended') throw new Error(JSON.stringify(rental));
    return rental.state === state;
  });
  return rental as Rental;
}

/** Restarts the agent with a tools folder of a stranger: a cheat, or the honest prover built anew. */
async function useForeignTools(cheat: Cheat | undefined): Promise<void> {
  const out = join(folder, cheat ?? 'honest');
  const proverBundlePath = await buildProver(out, cheat);
  const tools = await buildToolsFolder({ dir: join(folder, 'tools'), nodePath: process.execPath, proverBundlePath });
  await world.program('agent').end();
  await world.startProgram('agent', {}, ['--tools', tools.path]);
}

/** One check by a validator that starts for it: the receipt that the market then shows, its signature verified. */
async function check(args: string[] = []): Promise<Receipt> {
  const startedAtMs = Date.now();
  const validator = await world.startProgram('validator', {}, ['--recheck-ms', '1', ...args]);
  let receipt: Receipt | undefined;
  try {
    await until('a receipt', 200_000, async () => {
      receipt = await newest();
      // What an earlier validator left in its outbox is published first, and is not this check's.
      return receipt !== undefined && receipt.startedAtMs >= startedAtMs;
    });
  } catch (error) {
    throw new Error(validator.tail(), { cause: error });
  } finally {
    await validator.end();
  }
  await until('the checked pod to be gone', 30_000, async () => (await world.containers()).length === 0);
  return receipt as Receipt;
}

async function newest(): Promise<Receipt | undefined> {
  const params = { machineKey: world.machineKey };
  const { receipts } = await world.client().call('listReceipts', { params, query: {} });
  const signed = receipts[0];
  if (signed === undefined) return undefined;
  const verified = verifyDocument('receipt', signed);
  if (!verified.ok) throw new Error(verified.message);
  expect(verified.ss58).toBe(world.validatorHotkey.ss58);
  return signed.body;
}
