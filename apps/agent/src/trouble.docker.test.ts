/** What goes wrong on a host: one error with code and remedy, nothing half-done, and all goes on when the trouble is over. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyFromUri, toHex } from '@celium/chain';
import { baseImageTag } from './engine/base-image.ts';
import { copyImage, startPrivateEngine, type PrivateEngine } from './engine/private-engine.ts';
import { SOCKET, TestMachine } from './testing/agent-process.ts';
import { TestMarket } from './testing/market.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const market = new TestMarket(keyFromUri('//Market'));
const markets = (): Array<{ url: string; key: string }> => [{ url: market.url, key: toHex(market.key.publicKey) }];

beforeAll(() => market.listen());
afterAll(() => market.goAway());

test('an agent that cannot start says why, in the words of the table', async () => {
  const machine = new TestMachine();
  try {
    await machine.writeManifest(markets());
    await expect(machine.start({ args: ['--docker', '/run/no-engine-here.sock'] })).rejects.toThrow(
      /ENGINE_UNAVAILABLE/,
    );
    await expect(machine.start({ args: ['--port-range', '1-2'] })).rejects.toThrow(/USAGE: --port-range 1-2 is not/);
    await expect(machine.start({ args: ['--manifest', '/nowhere/manifest.json'] })).rejects.toThrow(/NOT_FOUND/);
    const server = createServer();
    const { port } = new URL(machine.machine.agentUrl);
    await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
    await expect(machine.start()).rejects.toThrow(/PORT_IN_USE/);
    await new Promise((resolve) => server.close(resolve));
    await machine.start();
    const twin = new TestMachine();
    for (const file of ['manifest.json', 'machine-key.json', 'tls.pem']) {
      copyFileSync(join(machine.dir, file), join(twin.dir, file));
    }
    await twin.writeManifest(markets());
    await expect(twin.start({ args: ['--state', machine.dir, '--port', '0'] })).rejects.toThrow(/STATE_LOCKED/);
    await twin.destroy();
    expect((await machine.containers()).length).toBe(0);
  } finally {
    await machine.destroy();
  }
});

test.runIf(isRoot)(
  'while Docker is stopped a rented pod goes on; what was asked meanwhile is done when Docker is back',
  async () => {
    let engine: PrivateEngine | undefined;
    let machine: TestMachine | undefined;
    try {
      engine = await startPrivateEngine(join('/var/lib/celium', `agent-test-${process.pid}`));
      await copyImage(SOCKET, engine.socket, baseImageTag());
      machine = new TestMachine({ socket: engine.socket });
      await machine.writeManifest(markets(), { publicHost: engine.address });
      market.frames.length = 0;
      // Its engine lives in another network namespace than the agent, where no filter of ours can stand.
      await expect(machine.start()).rejects.toThrow('POD_FILTER_UNAVAILABLE');
      await machine.start({ args: ['--open-egress'] });
      await market.frame('hello');
      const request = await market.sign(machine.machine, { sshKeys: [await machine.sshKey()] });
      market.send({ type: 'lease-request', request });
      const grant = await market.grant(request);
      const { leaseId } = grant.body;
      await market.lease(leaseId, 'ready');

      await engine.halt('SIGKILL');
      await market.frame('lease-status', ({ lease }) => (lease.detail ?? '').startsWith('ENGINE_UNAVAILABLE'));
      expect(await machine.ssh(grant, 'echo untouched')).toBe('untouched\n');
      market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, 2) });
      await market.lease(leaseId, 'stopping');
      await engine.resume();
      expect(await market.lease(leaseId, 'gone', 30_000)).toMatchObject({ goneReason: 'stopped' });
      expect(await machine.containers()).toEqual([]);

      const next = await market.sign(machine.machine);
      market.send({ type: 'lease-request', request: next });
      await market.lease((await market.grant(next)).body.leaseId, 'ready');
    } finally {
      await machine?.destroy();
      await engine?.remove();
    }
  },
  180_000,
);

test.runIf(isRoot)(
  'on a full disk a request is refused and nothing of it stays; with space again it is granted',
  async () => {
    const sandbox = mkdtempSync(join(tmpdir(), 'celium-small-'));
    const mounted = join(sandbox, 'mounted');
    mkdirSync(mounted);
    await run('truncate', ['-s', '480M', join(sandbox, 'disk.img')]);
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', join(sandbox, 'disk.img')]);
    await run('mount', ['-o', 'loop', join(sandbox, 'disk.img'), mounted]);
    const machine = new TestMachine({ parent: mounted });
    try {
      await machine.writeManifest(markets());
      market.frames.length = 0;
      await machine.start();
      await market.frame('hello');
      const { bavail, bsize } = statfsSync(mounted);
      const filler = join(mounted, 'filler');
      await run('fallocate', ['-l', String(bavail * bsize - 8 * 1024 * 1024), filler]);
      const request = await market.sign(machine.machine);
      market.send({ type: 'lease-request', request });
      expect((await market.refusal(request)).body.code).toBe('DISK_FULL');
      expect(await machine.containers()).toEqual([]);

      rmSync(filler);
      market.send({ type: 'lease-request', request });
      const grant = await market.grant(request);
      await market.lease(grant.body.leaseId, 'ready');
    } finally {
      await machine.destroy();
      await run('umount', [mounted]);
      rmSync(sandbox, { recursive: true, force: true });
    }
  },
  120_000,
);
