/** What a pod lives through: deaths of pod and agent, a market that is away, changed keys, clashes. On a real engine. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyFromUri, toHex } from '@celium/chain';
import type { LeaseRequest, LeaseStatus, Signed } from '@celium/contract';
import { BASE_IMAGE } from '@celium/domain';
import { callEngine } from './engine/engine-api.ts';
import { digestOf } from './leases/lease-desk.ts';
import { LABELS } from './pods/plain-profile.ts';
import { SOCKET, TestMachine } from './testing/agent-process.ts';
import { TestMarket } from './testing/market.ts';
import { TestRegistry } from './testing/registry.ts';

const machine = new TestMachine();
const market = new TestMarket(keyFromUri('//Market'));
let imageId = '';
let sshKey = '';

beforeAll(async () => {
  await market.listen();
  await machine.writeManifest([{ url: market.url, key: toHex(market.key.publicKey) }]);
  sshKey = await machine.sshKey();
  await restart();
}, 180_000);

afterAll(async () => {
  await machine.destroy();
  await market.goAway();
});

async function restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await machine.stop(signal);
  market.frames.length = 0;
  const ready = await machine.start();
  imageId = String((ready as { imageId?: unknown }).imageId);
  await market.frame('hello');
}

interface Rented {
  grant: Signed<'grant'>;
  leaseId: string;
  ready: LeaseStatus;
}

async function rent(change: Partial<LeaseRequest> = {}): Promise<Rented> {
  const request = await market.sign(machine.machine, { sshKeys: [sshKey], ...change });
  market.send({ type: 'lease-request', request });
  const grant = await market.grant(request);
  const { leaseId } = grant.body;
  return { grant, leaseId, ready: await market.lease(leaseId, 'ready', 60_000) };
}

async function stop({ grant, leaseId }: Pick<Rented, 'grant' | 'leaseId'>, sequence = 2): Promise<LeaseStatus> {
  market.send({ type: 'lease-command', command: await market.command(grant, { type: 'stop' }, sequence) });
  const gone = await market.lease(leaseId, 'gone');
  market.send({ type: 'gone-noted', leaseId });
  return gone;
}

test('a pod that dies is reported at once, with its time up to its death', async () => {
  const rented = await rent();
  const readyMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 500));
  await machine.meddle(rented.ready.podInstance ?? '', 'kill');
  const diedMs = performance.now();
  const gone = await market.lease(rented.leaseId, 'gone');
  expect(gone.goneReason).toBe('pod-died');
  expect(gone.detail).toContain('exit status 137');
  expect(gone.cumulativeMs).toBeGreaterThan(450);
  expect(gone.cumulativeMs).toBeLessThan(diedMs - readyMs + 100);
  expect(await machine.containers()).toEqual([]);
});

test('a pod outlives its agent, and its time goes on counting', async () => {
  const rented = await rent();
  await machine.stop('SIGKILL');
  const deadMs = performance.now();
  expect(await machine.ssh(rented.grant, 'echo still here')).toBe('still here\n');
  await restart();
  const seen = await market.lease(rented.leaseId, 'ready');
  expect(seen.podInstance).toBe(rented.ready.podInstance);
  expect(seen.cumulativeMs).toBeGreaterThan(rented.ready.cumulativeMs + performance.now() - deadMs - 1_000);
  await stop(rented);
});

test('a pod that died while its agent was away is reported when the agent is back', async () => {
  const rented = await rent();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await machine.stop('SIGKILL');
  await machine.meddle(rented.ready.podInstance ?? '', 'kill');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await restart();
  const gone = await market.lease(rented.leaseId, 'gone');
  expect(gone.goneReason).toBe('pod-died');
  expect(gone.cumulativeMs).toBeGreaterThan(250);
  expect(gone.cumulativeMs).toBeLessThan(1_500);
});

test('a market that is away touches no pod, and learns everything when it is back', async () => {
  const rented = await rent();
  await market.goAway();
  expect(await machine.ssh(rented.grant, 'echo rented')).toBe('rented\n');
  await machine.meddle(rented.ready.podInstance ?? '', 'remove');
  market.frames.length = 0;
  await market.listen();
  const gone = await market.lease(rented.leaseId, 'gone');
  expect(gone.goneReason).toBe('pod-died');
});

test('keys are changed on a running pod: the new one logs in, the old one no longer', async () => {
  const other = await machine.sshKey('other');
  const rented = await rent();
  const action = { type: 'set-ssh-keys' as const, sshKeys: [other] };
  const command = await market.command(rented.grant, action, 2);
  for (let times = 0; times < 2; times += 1) {
    market.send({ type: 'lease-command', command });
    await market.frame('command-result', (frame) => frame.leaseId === rented.leaseId && frame.ok);
    market.frames.length = 0;
  }
  expect(await machine.ssh(rented.grant, 'echo new', 'other')).toBe('new\n');
  await expect(machine.ssh(rented.grant, 'echo old', 'id')).rejects.toThrow(/Permission denied/);
  const late = await market.command(rented.grant, { type: 'renew', termMs: 1 }, 2);
  market.send({ type: 'lease-command', command: late });
  const refused = await market.frame('command-result', (frame) => frame.leaseId === rented.leaseId);
  expect(refused).toMatchObject({ ok: false, code: 'SEQUENCE_OLD' });
  await stop(rented, 3);
});

test('environment, ports and volume of the pod spec arrive, and its output can be read', async () => {
  const pod = { image: BASE_IMAGE, env: { GREETING: 'hi there' }, ports: [8080], volumeBytes: 1_000_000 };
  const rented = await rent({ pod, podDigest: digestOf(pod) });
  expect(rented.grant.body.ports.map((port) => port.pod)).toEqual([22, 8080]);
  expect(await machine.ssh(rented.grant, 'echo $GREETING; df /workspace | tail -1 | wc -l')).toBe('hi there\n1\n');
  const caps = await machine.ssh(rented.grant, 'grep -E "CapEff|NoNewPrivs" /proc/self/status | cut -f2');
  expect(caps).toBe('00000000200404fb\n1\n');
  const queryId = rented.leaseId;
  market.send({ type: 'logs-query', queryId, leaseId: rented.leaseId, tailLines: 20 });
  const logs = await market.frame('logs', (frame) => frame.queryId === queryId);
  expect(logs.text).toContain('Server listening on');
  await stop(rented);
  expect(await machine.namesOf('volumes')).toEqual([`celium-${rented.leaseId}-volume`]);
});

test('a port that someone else’s container holds is passed over', async () => {
  const { from } = machine.machine.portRange;
  const taker = await machine.startContainer({
    Image: imageId,
    HostConfig: { PortBindings: { '22/tcp': [{ HostIp: '127.0.0.1', HostPort: String(from) }] } },
  });
  try {
    const rented = await rent();
    expect(rented.grant.body.ports).toEqual([{ pod: 22, host: from + 1 }]);
    expect(await machine.ssh(rented.grant, 'echo next door')).toBe('next door\n');
    await stop(rented);
  } finally {
    await machine.meddle(taker, 'remove');
  }
});

test('a new manifest is taken over without a restart, and told to the market; an older one is not', async () => {
  const serialOf = (): number =>
    Math.max(...market.frames.flatMap((frame) => (frame.type === 'hello' ? [frame.manifest.body.serial] : [])));
  const before = serialOf();
  await machine.writeManifest([{ url: market.url, key: toHex(market.key.publicKey) }]);
  await expect.poll(serialOf, { timeout: 10_000 }).toBe(before + 1);
});

test('an image from a registry is brought with progress, and the next pod finds it here', async () => {
  const registry = new TestRegistry();
  try {
    const image = await registry.serve(SOCKET, imageId);
    const pod = { image, env: {}, ports: [], volumeBytes: 0 };
    const first = await rent({ pod, podDigest: digestOf(pod) });
    expect((await market.lease(first.leaseId, 'pulling')).detail).toContain(image);
    await stop(first);
    registry.close();
    const second = await rent({ pod, podDigest: digestOf(pod) });
    expect(await machine.ssh(second.grant, 'echo pulled')).toBe('pulled\n');
    await stop(second);
    await callEngine(SOCKET, 'DELETE', `/images/${image}`, { timeoutMs: 20_000 });
  } finally {
    registry.close();
  }
}, 90_000);

test('an image that cannot be had ends the lease with its reason', async () => {
  const pod = { image: '127.0.0.1:9/nobody/nothing:latest', env: {}, ports: [], volumeBytes: 0 };
  const request = await market.sign(machine.machine, { pod, podDigest: digestOf(pod) });
  market.send({ type: 'lease-request', request });
  const grant = await market.grant(request);
  const gone = await market.lease(grant.body.leaseId, 'gone', 30_000);
  expect(gone).toMatchObject({ goneReason: 'start-failed', cumulativeMs: 0 });
  expect(gone.detail).toMatch(/^IMAGE_UNAVAILABLE: /);
});

test('images of the host that no registry gave are not for renters', async () => {
  const pod = { image: 'celium/debian:private', env: {}, ports: [], volumeBytes: 0 };
  const request = await market.sign(machine.machine, { pod, podDigest: digestOf(pod) });
  market.send({ type: 'lease-request', request });
  const gone = await market.lease((await market.grant(request)).body.leaseId, 'gone', 60_000);
  expect(gone.detail).toMatch(/^IMAGE_UNAVAILABLE: /);
});

test('a container with our label that no lease explains is removed', async () => {
  await machine.stop('SIGKILL');
  await machine.startContainer({
    Image: imageId,
    Labels: { [LABELS.agent]: machine.machineKey, [LABELS.lease]: 'unknown', [LABELS.fence]: '1' },
  });
  await restart();
  await expect.poll(() => machine.containers(), { timeout: 15_000 }).toEqual([]);
});

test('an agent that ends leaves no network behind', async () => {
  await machine.stop('SIGTERM');
  expect(await machine.namesOf('networks')).toEqual([]);
});
