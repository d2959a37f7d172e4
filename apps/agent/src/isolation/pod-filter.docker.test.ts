/** Real pods behind the packet filter: what they must not reach is a trap that this test set, and nobody falls into it. */
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseImageTag, ensureBaseImage } from '../engine/base-image.ts';
import { copyImage, startPrivateEngine, type PrivateEngine } from '../engine/private-engine.ts';
import { DockerEngine } from '../pods/docker-engine.ts';
import { plainProfile } from '../pods/plain-profile.ts';
import { SOCKET } from '../testing/agent-process.ts';
import { setTraps, type Traps } from '../testing/traps.ts';
import { PodFilter } from './pod-filter.ts';

const run = promisify(execFile);
const RESOLVER = '10.99.0.53';
/** Stands for the internet: an address that is public by the rule and lies in the traps' namespace all the same. */
const PUBLIC = '192.88.99.7';
const FORBIDDEN = ['169.254.169.254', '10.99.0.1', '192.168.77.1', '100.64.7.7', '172.31.9.9'];
const HOST_PORT = 7_755;

let folder: string;
let engine: PrivateEngine;
let traps: Traps;
let filter: PodFilter;
let pods: Array<{ id: string; address: string; gateway: string }>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-filter-'));
  chmodSync(folder, 0o755);
  await ensureBaseImage({ socket: SOCKET, cacheDir: '/var/lib/celium/cache' });
  engine = await startPrivateEngine(join(folder, 'engine'));
  await copyImage(SOCKET, engine.socket, baseImageTag());
  traps = await setTraps({
    engineNamespace: engine.namespacePath,
    addresses: [...FORBIDDEN, RESOLVER, PUBLIC],
    ports: [25, 53, 80, 465, 587, 2525],
    hostPorts: [HOST_PORT],
  });
  writeFileSync(join(folder, 'resolv.conf'), `nameserver ${RESOLVER}\n`);
  filter = new PodFilter({
    log: pino({ level: 'silent' }),
    namespacePath: engine.namespacePath,
    resolvConfs: [join(folder, 'resolv.conf')],
  });
  pods = [await startPod(1), await startPod(2)];
}, 120_000);
afterAll(async () => {
  await traps.remove();
  await engine.remove();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function startPod(number: number): Promise<{ id: string; address: string; gateway: string }> {
  const docker = new DockerEngine(engine.socket, 'ab'.repeat(32));
  const network = `cel-${randomBytes(4).toString('hex')}`;
  await docker.createNetwork(network);
  const id = await docker.createPod(
    plainProfile({
      leaseId: randomUUID(),
      fence: number,
      machineKey: 'ab'.repeat(32),
      image: (await docker.findImage(baseImageTag())) ?? '',
      env: {},
      ports: [{ pod: 22, host: 20_000 + number }],
      hostIp: '',
      network,
      limits: { nanoCpus: 1e9, memoryBytes: 256 * 1024 ** 2, pids: 512 },
      gpus: [],
      leaseFolder: null,
      toolsFolder: null,
      volume: null,
    }),
  );
  await docker.startPod(id);
  const { stdout } = await run('docker', ['-H', `unix://${engine.socket}`, 'inspect', id]);
  const [{ NetworkSettings }] = JSON.parse(stdout) as [
    { NetworkSettings: { Networks: Record<string, { IPAddress: string; Gateway: string }> } },
  ];
  const { IPAddress, Gateway } = NetworkSettings.Networks[network]!;
  return { id, address: IPAddress, gateway: Gateway };
}

/** Whether the first pod can open a connection. */
async function connects(address: string, port: number): Promise<boolean> {
  const open = ['timeout', '4', 'bash', '-c', 'exec 3<>/dev/tcp/$0/$1', address, String(port)];
  return await run('docker', ['-H', `unix://${engine.socket}`, 'exec', pods[0]!.id, ...open]).then(
    () => true,
    () => false,
  );
}

async function connectsToAny(
  targets: ReadonlyArray<readonly [string, number]>,
): Promise<Array<readonly [string, number]>> {
  const reached = [];
  for (const target of targets) if (await connects(...target)) reached.push(target);
  return reached;
}

const forbidden = (): Array<readonly [string, number]> => [
  ...FORBIDDEN.map((address) => [address, 80] as const),
  ...[25, 465, 587, 2525].map((port) => [PUBLIC, port] as const),
  [RESOLVER, 80],
  [pods[0]!.gateway, HOST_PORT],
  [engine.address, HOST_PORT],
];
const inNamespace = async (...argv: string[]): Promise<string> =>
  (await run('nsenter', [`--net=${engine.namespacePath}`, ...argv])).stdout;

test('without the filter a pod falls into every trap, with it into none; the internet, names and logins stay', async () => {
  expect(await connectsToAny(forbidden())).toEqual(forbidden());
  expect(traps.take().length).toBe(forbidden().length);
  await filter.assert();
  expect(await connectsToAny(forbidden())).toEqual([]);
  expect(traps.take()).toEqual([]);
  expect(await connects(PUBLIC, 80)).toBe(true);
  expect(await connects(RESOLVER, 53)).toBe(true);
  expect(traps.take()).toEqual([
    { address: PUBLIC, port: 80 },
    { address: RESOLVER, port: 53 },
  ]);
  const other = [pods[1]!.address, 22] as const;
  const published = [engine.address, 20_002] as const;
  expect(await connectsToAny([other, published])).toEqual([]);
  // Who comes from outside still reaches the pods.
  const banner = await run('timeout', [
    '4',
    'bash',
    '-c',
    'exec 3<>/dev/tcp/$0/$1; head -c 4 <&3',
    engine.address,
    '20002',
  ]);
  expect(banner.stdout).toBe('SSH-');
}, 120_000);

test('after the engine was down, and after somebody put a rule before ours, it stands again, once', async () => {
  await engine.halt('SIGKILL');
  await engine.resume();
  await inNamespace('iptables', '-I', 'INPUT', '1', '-j', 'ACCEPT');
  await inNamespace('iptables', '-I', 'DOCKER-USER', '1', '-j', 'ACCEPT');
  await inNamespace('iptables', '-F', 'CEL-FWD');
  expect((await connectsToAny(forbidden())).length).toBeGreaterThan(0);
  await filter.assert();
  await filter.assert();
  traps.take();
  expect(await connectsToAny(forbidden())).toEqual([]);
  expect(traps.take()).toEqual([]);
  for (const chain of ['INPUT', 'DOCKER-USER']) {
    const rules = await inNamespace('iptables', '-S', chain);
    expect(rules.split('\n').filter((line) => line.includes('-j CEL-'))).toHaveLength(1);
  }
}, 120_000);

test('a host without the means says what to do', async () => {
  const nowhere = new PodFilter({ log: pino({ level: 'silent' }), namespacePath: '/run/netns/not-there' });
  await expect(nowhere.assert()).rejects.toMatchObject({ code: 'POD_FILTER_UNAVAILABLE' });
});
