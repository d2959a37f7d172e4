/** The bindings against a real shared library that answers by a script, and what happens where there is none, or one that hangs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildFakeNvml, findCompiler, type FakeNvml } from '../testing/build-fake-nvml.ts';
import { openNvml } from './library.ts';
import { NvmlProcess } from './nvml-process.ts';
import { unitOfUuid } from './read-devices.ts';
import type { NvmlReading } from './reading.ts';

const folder = mkdtempSync(join(tmpdir(), 'celium-nvml-'));
const open: NvmlProcess[] = [];
afterEach(() => open.splice(0).forEach((one) => one.close()));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ask(places: {
  driverFolder?: string;
  library?: string;
  environment?: Record<string, string>;
  timeoutMs?: number;
}) {
  const nvml = new NvmlProcess({ driverFolder: folder, library: 'libnvidia-ml.so.1', ...places });
  open.push(nvml);
  return nvml;
}

describe('a host', () => {
  test('without a driver has no devices, and nothing is started to find out', async () => {
    expect(await ask({ driverFolder: join(folder, 'none') }).ask()).toEqual({ absent: 'no NVIDIA driver is loaded' });
  });

  test('with a driver and without its library says so, and is no error', async () => {
    expect(await ask({ library: join(folder, 'none.so') }).ask()).toMatchObject({ absent: /cannot be loaded/ });
  });

  test('whose library is another one says so', async () => {
    await expect(openNvml('libc.so.6')).rejects.toThrow('libc.so.6 is no NVML');
  });
});

test('a UUID is a unit in lower case, and anything else is none', () => {
  expect(unitOfUuid('GPU-0A1B2C3D-0000-4000-8000-000000000002')).toBe('GPU-0a1b2c3d-0000-4000-8000-000000000002');
  expect(unitOfUuid('MIG-0a1b2c3d')).toBeNull();
  expect(unitOfUuid('GPU-; rm -rf /')).toBeNull();
});

const compiler = findCompiler();
// Without a compiler the bindings meet no library here, and the report says that in place of what it would say.
if (compiler === null)
  test('a library was not read: this machine has no C compiler to build one with', () => expect(compiler).toBeNull());
else
  describe('a library', () => {
    readsLibrary(compiler);
  });

function readsLibrary(cc: string): void {
  const UUID = 'GPU-0A1B2C3D-0000-4000-8000-000000000001';
  const UNIT = UUID.replace('0A1B2C3D', '0a1b2c3d');
  const H200 = {
    '0.uuid': UUID,
    '0.name': 'NVIDIA H200',
    '0.memory': 150_754_820_096,
    '0.used': 1_048_576,
  };
  let fake: FakeNvml;
  let nvml: NvmlProcess;
  beforeAll(() => {
    fake = buildFakeNvml(cc, folder);
    nvml = new NvmlProcess({ driverFolder: folder, ...fake });
  });
  afterAll(() => nvml.close());

  async function read(script: Record<string, string | number>): Promise<NvmlReading> {
    fake.say(script);
    const answer = await nvml.ask();
    if ('absent' in answer) throw new Error(answer.absent);
    return answer.reading;
  }

  test('that knows everything is read whole', async () => {
    const reading = await read({
      driver: '570.86.15',
      cuda: 12_080,
      gpus: 1,
      ...H200,
      '0.mig': 1,
      '0.miginstances': 2,
      '0.mig0': 'MIG-a',
      '0.mig1': 'MIG-b',
      '0.pciegen': 1,
      '0.pciemaxgen': 5,
      '0.pciewidth': 8,
      '0.pciemaxwidth': 16,
      '0.sm': 345,
      '0.maxsm': 1980,
      '0.mem': 3201,
      '0.maxmem': 3201,
      '0.limit': 500_000,
      '0.defaultlimit': 700_000,
      '0.temperature': 61,
      '0.throttle': '0x48',
      '0.ecc': 1,
      '0.corrected': 3,
      '0.uncorrected': 1,
      '0.compute': '100:4096,200:?',
      '0.graphics': '100:4096,300:1',
      '0.xid': 79,
    });
    expect(reading).toEqual({
      driver: '570.86.15',
      cuda: '12.8',
      mpsProcesses: false,
      xids: [{ unit: UNIT, code: 79 }],
      gpus: [
        {
          unit: UNIT,
          name: 'NVIDIA H200',
          memoryBytes: 150_754_820_096,
          memoryUsedBytes: 1_048_576,
          mig: { enabled: true, instances: ['MIG-a', 'MIG-b'] },
          pcie: { generation: 1, maxGeneration: 5, width: 8, maxWidth: 16 },
          clocks: { smMhz: 345, maxSmMhz: 1980, memoryMhz: 3201, maxMemoryMhz: 3201 },
          power: { limitMilliwatts: 500_000, defaultLimitMilliwatts: 700_000 },
          temperatureC: 61,
          throttle: ['hw-slowdown', 'hw-thermal'],
          ecc: { corrected: 3, uncorrected: 1 },
          processes: [
            { pid: 100, memoryBytes: 4096 },
            { pid: 300, memoryBytes: 1 },
            { pid: 200, memoryBytes: null },
          ],
        },
      ],
    });
  });

  test('that knows little, as an old driver or a laptop card, is read as far as it goes', async () => {
    const reading = await read({ driver: '470.1', gpus: 1, ...H200 });
    expect(reading.gpus).toMatchObject([{ mig: null, ecc: null, temperatureC: null, throttle: [], processes: [] }]);
    expect(reading.gpus[0]?.pcie).toEqual({ generation: null, maxGeneration: null, width: null, maxWidth: null });
    expect(reading.cuda).toBe('');
  });

  test('is read again with what has changed since, each Xid once', async () => {
    expect((await read({ gpus: 1, ...H200, '0.xid': 48 })).xids).toEqual([{ unit: UNIT, code: 48 }]);
    expect((await read({ gpus: 1, ...H200, '0.xid': 48 })).xids).toEqual([]);
    expect((await read({ gpus: 1, ...H200, '0.xid': 79, '0.used': 5 })).gpus).toMatchObject([{ memoryUsedBytes: 5 }]);
  });

  test('with more processes than the first guess has room for tells them all', async () => {
    const many = Array.from({ length: 200 }, (_, index) => `${index + 1}:1024`).join(',');
    expect((await read({ gpus: 1, ...H200, '0.compute': many })).gpus[0]?.processes).toHaveLength(200);
  });

  test('that names its device in no known form, or lies about its memory, lists no such device', async () => {
    expect((await read({ gpus: 2, ...H200, '1.uuid': 'GPU-00000002', '1.name': 'x' })).gpus).toHaveLength(1);
    expect((await read({ gpus: 1, ...H200, '0.uuid': 'none' })).gpus).toEqual([]);
  });

  test('that hangs is given up in time', async () => {
    fake.say({ gpus: 1, ...H200, hang: 1 });
    expect(await ask({ ...fake, timeoutMs: 300 }).ask()).toEqual({ absent: 'NVML did not answer within 300 ms' });
  });

  test('whose driver does not answer is absent with its code', async () => {
    writeFileSync(fake.environment['CELIUM_FAKE_NVML'] ?? '', 'driver=1\n');
    expect(await ask(fake).ask()).toEqual({ absent: 'nvmlInit says 3: the driver does not answer' });
  });
}
