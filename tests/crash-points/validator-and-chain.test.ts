/** Validator and devchain are killed at every named crash point, started again, and no lease, receipt or operation is lost or doubled. */
import { connectDevchain, keyFromUri, RAO_PER_TAO } from '@celium/chain';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until, World } from '../world.ts';
import { CONVERGE_MS, endWithin, pointsOf } from './survive.ts';

let world: World;

beforeAll(async () => {
  world = await World.start();
  await world.verify();
}, 240_000);

afterAll(async () => {
  await world.close();
});

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
