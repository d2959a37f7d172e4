/** A rental at a real agent, on a real engine, with OpenSSH as the renter's client. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyFromUri, toHex } from '@celium/chain';
import { TestMachine } from './testing/agent-process.ts';
import { TestMarket } from './testing/market.ts';

const machine = new TestMachine();
const market = new TestMarket(keyFromUri('//Market'));

beforeAll(async () => {
  await market.listen();
  await machine.writeManifest([{ url: market.url, key: toHex(market.key.publicKey) }]);
  await machine.start();
  await market.frame('hello');
}, 180_000);

afterAll(async () => {
  await machine.destroy();
  await market.goAway();
});

test('a renter logs in with the key of the request, against the host key of the grant', async () => {
  const request = await market.sign(machine.machine, { sshKeys: [await machine.sshKey()] });
  market.send({ type: 'lease-request', request });
  const grant = await market.grant(request);
  const { leaseId } = grant.body;
  await market.lease(leaseId, 'ready');
  const kinds = market.frames.map((frame) => frame.type).filter((type) => type !== 'heartbeat');
  expect(kinds.slice(0, 3)).toEqual(['hello', 'grant', 'lease-status']);
  expect(await machine.ssh(grant, 'echo hello from $(id -un)')).toBe('hello from root\n');
  market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 2) });
  const lease = await market.lease(leaseId, 'gone');
  expect(lease.goneReason).toBe('stopped');
  expect(lease.cumulativeMs).toBeGreaterThan(100);
  expect(await machine.containers()).toEqual([]);
});
