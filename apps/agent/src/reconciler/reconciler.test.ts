/** Pods follow leases: on a simulated clock and an engine in memory, whatever goes away or dies in between. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MIN_TERM_MS } from '@celium/domain';
import { digestOf } from '../leases/lease-desk.ts';
import { PortTaken } from '../pods/pod-engine.ts';
import { AgentInMemory, validatorKey } from '../testing/agent-in-memory.ts';
import { settle } from '../testing/simulated-clock.ts';

let agent: AgentInMemory;
beforeEach(async () => {
  agent = new AgentInMemory();
  await agent.start();
});
afterEach(() => agent.destroy());

const CHECK = { authorityKind: 'validator', kind: 'verification', termMs: 60_000 } as const;

test('a granted lease has a ready pod with the lease’s labels, and a stopped one has nothing', async () => {
  const grant = await agent.granted();
  expect(agent.status(grant)).toMatchObject({ state: 'ready', podInstance: 'pod-1' });
  await agent.clock.advance(5_000);
  expect(agent.status(grant).cumulativeMs).toBe(5_000);
  expect(await agent.command(grant, { type: 'stop' }, 2)).toBe('ok');
  await agent.clock.advance(10_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'stopped', cumulativeMs: 5_000 });
  expect(agent.engine.pods.size).toBe(0);
  expect(agent.keysOfPods.size).toBe(0);
});

test('readiness counts on the monotonic clock: a wall clock that jumps changes nothing', async () => {
  const grant = await agent.granted();
  await agent.clock.advance(1_000);
  for (const jumpMs of [300_000, -600_000]) {
    agent.clock.jump(jumpMs);
    await agent.clock.advance(1_000);
  }
  expect(agent.status(grant).cumulativeMs).toBe(3_000);
});

test('a pod that dies is reported with the time of its death, and its units are free', async () => {
  const grant = await agent.granted();
  await agent.clock.advance(2_000);
  agent.engine.die('pod-1', 3);
  await agent.clock.advance(0);
  const gone = agent.status(grant);
  expect(gone).toMatchObject({ state: 'gone', goneReason: 'pod-died', cumulativeMs: 2_000 });
  expect(gone.detail).toMatch(/exit status 3\). Last output: output of pod-1/);
  expect((await agent.ask()).ok).toBe(true);
});

test('a death that nobody told is found by the next full pass', async () => {
  const grant = await agent.granted();
  await agent.clock.advance(2_000);
  agent.engine.die('pod-1', 1, true);
  await agent.clock.advance(40_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'pod-died', cumulativeMs: 2_000 });
});

test('a check ends when its term is over; a paid lease lasts at least 24 h and is renewed', async () => {
  const check = await agent.granted(CHECK, validatorKey);
  await agent.clock.advance(59_000);
  expect(agent.status(check).state).toBe('ready');
  await agent.clock.advance(1_100);
  expect(agent.status(check)).toMatchObject({ state: 'gone', goneReason: 'term-over' });

  const paid = await agent.granted({ termMs: 1_000 });
  expect(paid.body.termMs).toBe(MIN_TERM_MS);
  await agent.clock.advance(MIN_TERM_MS - 60_000);
  expect(await agent.command(paid, { type: 'renew', termMs: MIN_TERM_MS }, 2)).toBe('ok');
  await agent.clock.advance(MIN_TERM_MS - 60_000);
  expect(agent.status(paid).state).toBe('ready');
  await agent.clock.advance(61_000);
  expect(agent.status(paid)).toMatchObject({ state: 'gone', goneReason: 'term-over' });
});

test('a port taken between grant and start gives a new grant under the same lease and fence', async () => {
  agent.engine.startFaults.push(new PortTaken('port is already allocated'));
  const grant = await agent.granted();
  expect(agent.status(grant).state).toBe('ready');
  expect(agent.grants.map(({ body }) => [body.leaseId, body.fence, body.ports])).toEqual([
    [grant.body.leaseId, grant.body.fence, [{ pod: 22, host: 40_001 }]],
  ]);
  expect(agent.engine.pods.size).toBe(1);
  expect(agent.engine.mostPodsOfALease).toBe(1);
});

test('a start that fails for good ends the lease and says why', async () => {
  for (let times = 0; times < 9; times += 1) agent.engine.startFaults.push(new PortTaken('port is already allocated'));
  const grant = await agent.granted();
  await agent.clock.advance(1_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'start-failed' });
  expect(agent.status(grant).detail).toMatch(/POD_START_FAILED: port is already allocated/);
  agent.engine.startFaults.length = 0;

  agent.engine.startFaults.push(new Error('mount: no space left on device'));
  const full = await agent.granted();
  await agent.clock.advance(1_000);
  expect(agent.status(full).detail).toMatch(/^DISK_FULL/);
  expect(agent.engine.pods.size).toBe(0);
});

test('a pod whose SSH never answers is given up after two minutes', async () => {
  agent.awaitBanner = (_hosts, _port, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const grant = await agent.granted();
  await agent.clock.advance(119_000);
  expect(agent.status(grant).state).toBe('starting');
  await agent.clock.advance(2_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'start-failed', cumulativeMs: 0 });
});

test('a stop in the middle of a start leaves nothing', async () => {
  agent.awaitBanner = (_hosts, _port, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const grant = await agent.granted();
  expect(await agent.command(grant, { type: 'stop' }, 2)).toBe('ok');
  await agent.clock.advance(1_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'stopped' });
  expect(agent.engine.pods.size).toBe(0);
});

test('while the engine is away leases stay, nothing new is granted, and all goes on when it is back', async () => {
  const grant = await agent.granted();
  await agent.clock.advance(1_000);
  agent.engine.away = true;
  expect(await agent.command(grant, { type: 'stop' }, 2)).toBe('ok');
  await agent.clock.advance(5_000);
  expect(agent.status(grant).state).toBe('stopping');
  const asked = agent.ask();
  await settle();
  await agent.clock.advance(6_000);
  expect(await asked).toMatchObject({ ok: false, code: 'UNITS_BUSY' });
  agent.engine.away = false;
  await agent.clock.advance(2_000);
  expect(agent.status(grant)).toMatchObject({ state: 'gone', goneReason: 'stopped' });
  agent.engine.away = true;
  await agent.clock.advance(31_000);
  expect(await agent.ask()).toMatchObject({ ok: false, code: 'ENGINE_UNAVAILABLE' });
});

test('a lease granted just before the engine went away gets its pod when it is back', async () => {
  const slow = agent.granted();
  agent.engine.away = true;
  const grant = await slow;
  await agent.clock.advance(3_000);
  const status = agent.status(grant);
  expect(status.state).not.toBe('gone');
  expect(status.detail).toMatch(/ENGINE_UNAVAILABLE/);
  agent.engine.away = false;
  await agent.clock.advance(2_000);
  expect(agent.status(grant)).toMatchObject({ state: 'ready', goneReason: null });
  expect(agent.engine.mostPodsOfALease).toBe(1);
});

test('a full disk refuses new leases and touches no running one', async () => {
  const grant = await agent.granted();
  agent.freeDiskBytes = 0;
  await agent.command(grant, { type: 'stop' }, 2);
  await agent.clock.advance(1_000);
  expect(await agent.ask()).toMatchObject({ ok: false, code: 'DISK_FULL' });
  agent.freeDiskBytes = 10;
  expect((await agent.ask()).ok).toBe(true);
});

test('after a reboot dead pods are reported with the time that had been noted', async () => {
  const grant = await agent.granted();
  await agent.clock.advance(95_000);
  agent.crash();
  agent.engine.die('pod-1', 137, true);
  agent.clock.jump(3_600_000);
  await agent.start(true);
  await agent.clock.advance(1_000);
  const gone = agent.status(grant);
  expect(gone).toMatchObject({ state: 'gone', goneReason: 'pod-died' });
  expect(gone.cumulativeMs).toBe(90_000);
});

test('containers without a lease are removed, those of others’ leases never', async () => {
  const grant = await agent.granted();
  const { container } = [...agent.engine.pods.values()][0] ?? { container: undefined };
  if (container === undefined) throw new Error('there is a pod');
  const labels = { ...(container.body.Labels as object), 'org.celium.lease': 'unknown' };
  await agent.engine.createPod({ name: 'left', body: { ...container.body, Labels: labels } });
  await agent.clock.advance(31_000);
  expect([...agent.engine.pods.keys()]).toEqual(['pod-1']);
  expect(agent.status(grant).state).toBe('ready');
});

test('volumes outlive their lease by 24 h', async () => {
  const pod = { image: 'celium/base:bookworm', env: {}, ports: [], volumeBytes: 1 };
  const grant = await agent.granted({ pod, podDigest: digestOf(pod) });
  await agent.command(grant, { type: 'stop' }, 2);
  await agent.clock.advance(23 * 3_600_000);
  expect(agent.engine.volumes.size).toBe(1);
  await agent.clock.advance(3_600_000 + 60_000);
  expect(agent.engine.volumes.size).toBe(0);
});

test('networks wait ahead, come back, and never grow in number', async () => {
  await settle();
  expect(agent.engine.networks.size).toBe(2);
  for (let times = 0; times < 5; times += 1) {
    const grant = await agent.granted();
    await agent.command(grant, { type: 'stop' }, 2);
    await agent.clock.advance(1_000);
  }
  await agent.clock.advance(120_000);
  expect(agent.engine.networks.size).toBe(2);
});
