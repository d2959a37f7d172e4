/** What is said of GPUs comes from a real shared library that answers by a script, and only of units that are offered. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestMachine } from '@celium/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NvmlProcess } from '../inventory/nvml/nvml-process.ts';
import { buildFakeNvml, findCompiler, type FakeNvml } from '../inventory/testing/build-fake-nvml.ts';
import { listUnits } from './facts.ts';
import { claimsOfGpus, hardwareChanges } from './gpu-claims.ts';
import { detectNvidiaGpus } from './gpus.ts';

const A = 'GPU-0a1b2c3d-0000-4000-8000-000000000001';
const B = 'GPU-0a1b2c3d-0000-4000-8000-000000000002';
const ABSENT = { absent: 'no NVIDIA driver is loaded' };

test('a machine without a GPU says nothing of any, and nothing has changed on it', () => {
  expect(claimsOfGpus(['cpu:m'], ABSENT)).toEqual([]);
  expect(hardwareChanges({ units: ['cpu:m'] }, [], ABSENT)).toEqual([]);
});

test('GPUs that come, go or stay while no library answers are told apart by what the driver shows', () => {
  expect(hardwareChanges({ units: [A] }, [A], ABSENT)).toEqual([]);
  expect(hardwareChanges({ units: [A] }, [B], ABSENT)).toEqual([
    `${A} is listed and not there`,
    `${B} is there and not listed`,
  ]);
  expect(hardwareChanges({ units: ['cpu:m'] }, [A], ABSENT)).toEqual([`${A} is there and not listed`]);
});

const compiler = findCompiler();
// Without a compiler there is no library to ask here, and the report says that in place of what it would say.
if (compiler === null)
  test('a library was not asked: this machine has no C compiler to build one with', () => expect(compiler).toBeNull());
else
  describe('with a driver and its library', () => {
    asksLibrary(compiler);
  });

function asksLibrary(cc: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'celium-claims-'));
  const driver = join(folder, 'gpus');
  let fake: FakeNvml;
  let nvml: NvmlProcess;
  beforeAll(() => {
    for (const [device, unit] of Object.entries({ '0000:01:00.0': A, '0000:02:00.0': B })) {
      mkdirSync(join(driver, device), { recursive: true });
      writeFileSync(join(driver, device, 'information'), `Model: \t x\nGPU UUID: \t ${unit}\n`);
    }
    fake = buildFakeNvml(cc, folder);
    nvml = new NvmlProcess({ driverFolder: folder, ...fake });
  });
  afterAll(() => {
    nvml.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const card = (index: number, uuid: string, name = 'NVIDIA H200'): Record<string, string | number> => ({
    [`${index}.uuid`]: uuid.toUpperCase(),
    [`${index}.name`]: name,
    [`${index}.memory`]: 150_754_820_096,
    [`${index}.used`]: 0,
    [`${index}.pciemaxgen`]: 5,
    [`${index}.pciemaxwidth`]: 16,
  });
  const claim = { model: 'NVIDIA H200', memoryBytes: 150_754_820_096, pcie: { generation: 5, width: 16 } };

  test('each offered unit is described as the library calls it, in a form that a manifest can carry', async () => {
    fake.say({ driver: '570.86.15', gpus: 2, ...card(0, B), ...card(1, A) });
    const units = await listUnits('m', () => detectNvidiaGpus(driver));
    const claims = claimsOfGpus(units, await nvml.ask());
    expect(claims).toEqual([
      { unit: A, ...claim },
      { unit: B, ...claim },
    ]);
    expect(manifestMachine.shape.gpus.parse(claims)).toEqual(claims);
    expect(hardwareChanges({ units, gpus: claims }, units, await nvml.ask())).toEqual([]);
  });

  test('a GPU that is not offered is not described, nor one whose memory the library does not tell', async () => {
    fake.say({ gpus: 2, ...card(0, A), ...card(1, B), '1.memory': 0 });
    expect(claimsOfGpus([A], await nvml.ask())).toEqual([{ unit: A, ...claim }]);
    expect(claimsOfGpus([B], await nvml.ask())).toEqual([]);
  });

  test('a card that was swapped for another under one UUID, and one that no manifest describes, are told', async () => {
    fake.say({ gpus: 2, ...card(0, A, 'NVIDIA H100'), ...card(1, B) });
    const changes = hardwareChanges({ units: [A, B], gpus: [{ unit: A, ...claim }] }, [A, B], await nvml.ask());
    expect(changes).toEqual([
      `${A} is NVIDIA H100 with 150754820096 bytes, the manifest says NVIDIA H200`,
      `${B} is NVIDIA H200 with 150754820096 bytes, the manifest says nothing of it`,
    ]);
  });
}
