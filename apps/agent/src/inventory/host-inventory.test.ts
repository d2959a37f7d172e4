/** The inventory as a document: processes put down to whose they are, everything bounded, and nothing foreign named. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri, toHex, verifyDocument } from '@celium/chain';
import { canonicalJson, DOCUMENTS, type Inventory } from '@celium/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../log.ts';
import { LABELS } from '../pods/plain-profile.ts';
import { SimulatedClock } from '../testing/simulated-clock.ts';
import { HostInventory, type InventoryPorts } from './host-inventory.ts';
import type { GpuReading, NvmlAnswer } from './nvml/reading.ts';
import { isMpsRunning, placeOfProcess } from './processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'celium-inventory-'));
const proc = join(folder, 'proc');
const socket = join(folder, 'engine.sock');
const key = keyFromUri('//Machine');
const machineKey = toHex(key.publicKey);
const LEASE = '0c9f35a4-8f53-4a7e-9d3c-111111111111';
const UNIT = 'GPU-0a1b2c3d-0000-4000-8000-000000000001';
const idOf = (digit: string): string => digit.repeat(64);

/** What an engine answers about its containers; only the HTTP of it, since no container here could use a GPU. */
const CONTAINERS = [
  { Id: idOf('a'), State: 'running', Labels: { [LABELS.agent]: machineKey, [LABELS.lease]: LEASE } },
  { Id: idOf('b'), State: 'exited', Labels: { [LABELS.agent]: machineKey, [LABELS.lease]: 'over' } },
  { Id: idOf('c'), State: 'running', Labels: { [LABELS.agent]: 'ef'.repeat(32), [LABELS.lease]: LEASE } },
  { Id: idOf('d'), State: 'running', Labels: { name: 'the provider’s own secret' } },
  { Id: idOf('e'), State: 'created', Labels: null },
];
let engine: Server;

beforeAll(async () => {
  const files: Record<string, string> = {
    cpuinfo: 'model name\t: Fast\u0007 CPU\nflags\t\t: fpu avx2 hypervisor sse\n',
    meminfo: 'MemTotal:       16384 kB\nMemAvailable:    8192 kB\n',
    '100/cgroup': `0::/system.slice/docker-${idOf('a')}.scope\n`,
    '101/cgroup': `12:devices:/docker/${idOf('a')}/docker/${idOf('f')}\n`,
    '102/cgroup': `0::/docker/${idOf('b')}\n`,
    '103/cgroup': `0::/kubepods/cri-containerd-${idOf('9')}.scope\n`,
    '104/cgroup': '0::/user.slice/session-1.scope\n',
    '105/cgroup': `0::/docker/${idOf('c')}\n`,
    '104/comm': 'nvidia-cuda-mps\n',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(proc, name, '..'), { recursive: true });
    writeFileSync(join(proc, name), text);
  }
  const gpu = join(proc, 'driver/nvidia/gpus/0000:01:00.0');
  mkdirSync(gpu, { recursive: true });
  writeFileSync(join(gpu, 'information'), `GPU UUID: \t ${UNIT}\n`);
  engine = createServer((request, response) => {
    const info = { ServerVersion: '28.0', Driver: 'overlay2', DockerRootDir: '/var/lib/docker' };
    response.end(JSON.stringify(request.url === '/info' ? info : CONTAINERS));
  });
  await new Promise<void>((resolve) => engine.listen(socket, resolve));
});
afterAll(() => {
  engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const reading = (given: Partial<GpuReading> = {}): GpuReading => ({
  unit: UNIT,
  name: 'NVIDIA H200',
  memoryBytes: 150_754_820_096,
  memoryUsedBytes: 0,
  mig: null,
  pcie: { generation: 5, maxGeneration: 5, width: 16, maxWidth: 16 },
  clocks: { smMhz: 345, maxSmMhz: 1980, memoryMhz: 3201, maxMemoryMhz: 3201 },
  power: { limitMilliwatts: 700_000, defaultLimitMilliwatts: 700_000 },
  temperatureC: 40,
  throttle: [],
  ecc: null,
  processes: [],
  ...given,
});
const answer = (gpus: GpuReading[], xids: Array<{ unit: string; code: number }> = []): NvmlAnswer => ({
  reading: { driver: '570.86', cuda: '12.8', gpus, xids, mpsProcesses: false },
});

function inventory(nvml: NvmlAnswer, given: Partial<InventoryPorts> = {}) {
  const clock = new SimulatedClock();
  let asked = 0;
  const host = new HostInventory({
    identity: { key, machineKey, bootId: 'boot', agentInstanceId: 'run' },
    machineId: () => 'm',
    openLeases: () => new Set([LEASE]),
    socket,
    diskFolder: folder,
    isFiltered: () => true,
    nvml: {
      ask: async () => {
        asked += 1;
        return nvml;
      },
    },
    clock,
    log: silentLog,
    procFolder: proc,
    gpuFolder: join(proc, 'driver/nvidia/gpus'),
    ...given,
  });
  const read = async (): Promise<Inventory> => {
    const checked = verifyDocument('inventory', await host.read(), { signer: machineKey });
    if (!checked.ok) throw new Error(checked.message);
    return checked.body;
  };
  return { read, clock, asked: () => asked };
}

test('every container of the host is of an open lease, a leak, another agent’s, or counted as foreign', async () => {
  const { containers, engine: facts } = await inventory({ absent: 'no driver' }).read();
  expect(containers).toEqual({ leased: 1, leaked: 1, otherAgents: 1, foreign: 2, foreignRunning: 1 });
  expect(facts).toEqual({ version: '28.0', storageDriver: 'overlay2', usernsRemap: false, podFilter: true });
});

test('processes on a GPU are put down to lease, leak, foreign container or host, and foreign ones are not named', async () => {
  const processes = [100, 101, 102, 103, 104, 105, 999].map((pid) => ({ pid, memoryBytes: pid }));
  const body = await inventory(answer([reading({ processes })])).read();
  expect(body.nvml?.gpus[0]?.uses).toEqual([
    { by: 'leak', leaseId: null, processes: 1, memoryBytes: 102 },
    { by: 'foreign', leaseId: null, processes: 2, memoryBytes: 208 },
    { by: 'host', leaseId: null, processes: 1, memoryBytes: 104 },
    { by: 'lease', leaseId: LEASE, processes: 2, memoryBytes: 201 },
  ]);
  expect(canonicalJson(body)).not.toMatch(/secret|[0-9a-f]{64}/);
});

test('a host without NVML is told with its reason, and with what its kernel shows', async () => {
  const body = await inventory({ absent: 'no NVIDIA driver is loaded' }).read();
  expect(body).toMatchObject({ nvml: null, nvmlAbsent: 'no NVIDIA driver is loaded', driverUnits: [UNIT] });
  expect(body.host).toMatchObject({
    cpuModel: 'Fast? CPU',
    cpuFlags: ['avx2', 'hypervisor'],
    memoryBytes: 16_777_216,
    memoryAvailableBytes: 8_388_608,
  });
});

test('an engine that does not answer leaves its part out, and says nothing of who runs a container', async () => {
  const processes = [100, 103, 104].map((pid) => ({ pid, memoryBytes: null }));
  const nowhere = { socket: join(folder, 'nowhere.sock') };
  const body = await inventory(answer([reading({ processes })]), nowhere).read();
  expect(body).toMatchObject({ engine: null, containers: null });
  expect(body.nvml?.gpus[0]?.uses).toEqual([{ by: 'host', leaseId: null, processes: 1, memoryBytes: null }]);
});

test('Xid events are kept beside their GPU, the newest eight', async () => {
  const { read, clock } = inventory(answer([reading()], [{ unit: UNIT, code: 79 }]));
  for (let times = 0; times < 10; times += 1) {
    await read();
    await clock.advance(10_001);
  }
  const { nvml, takenAtMs } = await read();
  expect(nvml?.gpus[0]?.xids).toHaveLength(8);
  expect(nvml?.gpus[0]?.xids.at(-1)).toEqual({ code: 79, atMs: takenAtMs });
});

test('however many ask, it is taken once in ten seconds', async () => {
  const { read, clock, asked } = inventory(answer([]));
  await Promise.all([read(), read(), read()]);
  await read();
  expect(asked()).toBe(1);
  await clock.advance(10_001);
  await read();
  expect(asked()).toBe(2);
});

test('sixty-four GPUs with everything to say fit into a document', async () => {
  const gpus = Array.from({ length: 64 }, (_, index) =>
    reading({
      unit: `GPU-${'0'.repeat(30)}${String(index).padStart(6, '0')}`,
      name: 'N'.repeat(96),
      mig: { enabled: true, instances: Array.from({ length: 8 }, () => 'M'.repeat(96)) },
      throttle: ['sw-power-cap', 'hw-slowdown', 'sync-boost', 'sw-thermal', 'hw-thermal', 'hw-power-brake'],
      memoryBytes: Number.MAX_SAFE_INTEGER,
      memoryUsedBytes: 2 ** 60,
      ecc: { corrected: Number.MAX_SAFE_INTEGER, uncorrected: Number.MAX_SAFE_INTEGER },
      processes: [100, 102, 103, 104].map((pid) => ({ pid, memoryBytes: 2 ** 40 })),
    }),
  );
  const body = await inventory(answer(gpus)).read();
  expect(body.nvml?.gpus).toHaveLength(32);
  expect(Buffer.byteLength(canonicalJson(body))).toBeLessThanOrEqual(DOCUMENTS.inventory.maxBytes);
});

test('a process is in its outermost container, on the host, or gone; MPS is seen by its server', () => {
  expect([100, 101, 103, 104, 999].map((pid) => placeOfProcess(pid, proc))).toEqual([
    idOf('a'),
    idOf('a'),
    idOf('9'),
    'host',
    null,
  ]);
  expect(isMpsRunning(proc)).toBe(true);
  expect(isMpsRunning(join(proc, 'driver'))).toBe(false);
});
