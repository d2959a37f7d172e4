/** What every container engine must do for the agent: one list of claims, checked on Docker and on the engine in memory alike. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBaseImage } from '../engine/base-image.ts';
import { callEngine } from '../engine/engine-api.ts';
import { SOCKET } from '../testing/agent-process.ts';
import { MemoryEngine } from '../testing/memory-engine.ts';
import { DockerEngine, volumeName } from './docker-engine.ts';
import { BRIDGE_PREFIX } from './network-pool.ts';
import { plainProfile, type PodContainer } from './plain-profile.ts';
import type { PodDeath, PodEngine } from './pod-engine.ts';

/** An engine to check: how pods of `image` are made on it, and how a pod is killed behind its back. */
interface ConformingEngine {
  engine: PodEngine;
  machineKey: string;
  image: string;
  hostPort: number;
  kill(id: string): Promise<void>;
}

describe.each([
  ['memory', openMemory],
  ['docker', openDocker],
] as const)('%s', (_name, open) => {
  let one: ConformingEngine;
  const network = `${BRIDGE_PREFIX}${randomUUID().slice(0, 8)}`;
  const containerOf = (leaseId: string): PodContainer =>
    plainProfile({
      leaseId,
      fence: 7,
      machineKey: one.machineKey,
      image: one.image,
      env: {},
      ports: [{ pod: 22, host: one.hostPort }],
      hostIp: '127.0.0.1',
      network,
      limits: { nanoCpus: 1e9, memoryBytes: 256 * 1024 ** 2, pids: 512 },
      gpus: [],
      leaseFolder: null,
      toolsFolder: null,
      volume: null,
    });

  beforeAll(async () => {
    one = await open();
    await one.engine.createNetwork(network);
  });
  afterAll(async () => {
    for (const pod of await one.engine.listPods()) await one.engine.removePod(pod.id);
    await one.engine.removeNetwork(network);
  });

  test('a pod is created, runs, stops and is gone, and is seen as that each time', async () => {
    const { engine } = one;
    const leaseId = randomUUID();
    expect(await engine.findPod(leaseId)).toBe(null);
    const id = await engine.createPod(containerOf(leaseId));
    expect(await engine.findPod(leaseId)).toEqual({ id, leaseId, fence: 7, state: 'created', network });
    expect(await engine.inspectPod(id)).toMatchObject({ running: false });
    await engine.putFiles(id, [{ path: 'run/celium/note', content: 'x', mode: 0o644 }]);
    await engine.startPod(id);
    expect((await engine.listPods()).map((pod) => [pod.id, pod.state])).toEqual([[id, 'running']]);
    expect(await engine.inspectPod(id)).toMatchObject({ running: true, finishedAtMs: null, exitCode: null });
    await engine.stopPod(id, 5_000);
    const ending = await engine.inspectPod(id);
    expect(ending).toMatchObject({ running: false });
    expect(ending?.finishedAtMs).toBeGreaterThanOrEqual(ending?.startedAtMs ?? Infinity);
    expect(await engine.findPod(leaseId)).toMatchObject({ state: 'exited' });
    await engine.removePod(id);
    expect(await engine.inspectPod(id)).toBe(null);
  });

  test('creating a pod twice under one lease gives the same container', async () => {
    const leaseId = randomUUID();
    const id = await one.engine.createPod(containerOf(leaseId));
    expect(await one.engine.createPod(containerOf(leaseId))).toBe(id);
    await one.engine.removePod(id);
  });

  test('removing and stopping what is not there is no error', async () => {
    const absent = 'f'.repeat(64);
    await one.engine.stopPod(absent, 1_000);
    await one.engine.removePod(absent);
    await one.engine.removeNetwork(`${BRIDGE_PREFIX}absent`);
    await one.engine.removeVolume(volumeName(randomUUID()));
    expect(await one.engine.inspectPod(absent)).toBe(null);
  });

  test('a death is told with its lease, time and exit status', async () => {
    const { engine } = one;
    const leaseId = randomUUID();
    const ending = new AbortController();
    const told = Promise.withResolvers<PodDeath>();
    const opened = Promise.withResolvers<void>();
    const watching = engine.watchDeaths(opened.resolve, told.resolve, ending.signal);
    await opened.promise;
    const id = await engine.createPod(containerOf(leaseId));
    await engine.startPod(id);
    await one.kill(id);
    const death = await told.promise;
    expect(death).toMatchObject({ id, leaseId, exitCode: 137 });
    const inspected = await engine.inspectPod(id);
    expect(Math.abs((inspected?.finishedAtMs ?? death.atMs) - death.atMs)).toBeLessThan(1_000);
    ending.abort();
    await watching;
    await engine.removePod(id);
  });

  test('networks show whether a pod uses them, volumes whose they are', async () => {
    const { engine } = one;
    const leaseId = randomUUID();
    expect(await engine.listNetworks()).toEqual([{ name: network, used: false }]);
    const id = await engine.createPod(containerOf(leaseId));
    expect(await engine.listNetworks()).toEqual([{ name: network, used: true }]);
    await engine.removePod(id);
    await engine.createVolume(volumeName(leaseId), leaseId);
    expect(await engine.listVolumes()).toEqual([{ name: volumeName(leaseId), leaseId }]);
    await engine.removeVolume(volumeName(leaseId));
    expect(await engine.listVolumes()).toEqual([]);
  });

  test('an image that is not there is found to be not there', async () => {
    expect(await one.engine.findImage('celium/nothing:never')).toBe(null);
    expect(await one.engine.findImage(one.image)).not.toBe(null);
  });
});

async function openMemory(): Promise<ConformingEngine> {
  let nowMs = 1_000;
  const engine = new MemoryEngine(() => (nowMs += 1));
  return {
    engine,
    machineKey: 'ab'.repeat(32),
    image: 'celium/base:here',
    hostPort: 40_000,
    kill: async (id) => engine.die(id, 137),
  };
}

async function openDocker(): Promise<ConformingEngine> {
  const machineKey = randomBytes(32).toString('hex');
  const { tag } = await ensureBaseImage({ socket: SOCKET, cacheDir: '/var/lib/celium/cache' });
  return {
    engine: new DockerEngine(SOCKET, machineKey),
    machineKey,
    image: tag,
    hostPort: 30_500 + (randomBytes(1)[0] ?? 0),
    kill: async (id) => void (await callEngine(SOCKET, 'POST', `/containers/${id}/kill`, { timeoutMs: 20_000 })),
  };
}
