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
  const besides: string[] = ['heartbeat', 'inventory'];
  const kinds = market.frames.map((frame) => frame.type).filter((type) => !besides.includes(type));
  expect(kinds.slice(0, 3)).toEqual(['hello', 'grant', 'lease-status']);
  expect(await machine.ssh(grant, 'echo hello from $(id -un)')).toBe('hello from root\n');
  market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 2) });
  const lease = await market.lease(leaseId, 'gone');
  expect(lease.goneReason).toBe('stopped');
  expect(lease.cumulativeMs).toBeGreaterThan(100);
  expect(await machine.containers()).toEqual([]);
});

test.runIf(process.getuid?.() === 0)(
  'an agent without root, in the group of the engine’s socket, serves renters just the same',
  async () => {
    const modest = new TestMachine();
    try {
      await modest.writeManifest([{ url: market.url, key: toHex(market.key.publicKey) }]);
      const sshKeys = [await modest.sshKey()];
      const other = await modest.sshKey('other');
      await machine.stop();
      market.frames.length = 0;
      await expect(modest.start({ uid: 65_534 })).rejects.toThrow('POD_FILTER_UNAVAILABLE');
      expect(await modest.networks()).toEqual([]);
      await modest.start({ uid: 65_534, args: ['--open-egress'] });
      await market.frame('hello');
      const request = await market.sign(modest.machine, { sshKeys });
      market.send({ type: 'lease-request', request });
      const grant = await market.grant(request);
      const { leaseId } = grant.body;
      await market.lease(leaseId, 'ready');
      expect(await modest.ssh(grant, 'echo modest')).toBe('modest\n');
      const command = await market.command(grant, { type: 'set-ssh-keys', sshKeys: [other] }, 2);
      market.send({ type: 'lease-command', command });
      await market.frame('command-result', (frame) => frame.ok);
      await expect
        .poll(() => modest.ssh(grant, 'echo changed', 'other').catch(() => ''), { timeout: 10_000 })
        .toBe('changed\n');
      await expect(modest.ssh(grant, 'true', 'id')).rejects.toThrow(/Permission denied/);
      market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 3) });
      await market.lease(leaseId, 'gone');
    } finally {
      await modest.destroy();
    }
  },
  60_000,
);
