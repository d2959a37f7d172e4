/** What a host is said to have: units, memory for pods, a name, and the rate that its prover measured. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { machineId } from '@celium/contract';
import fc from 'fast-check';
import { listUnits, machineIdOfHostname, memoryForPodsBytes, readHostFacts } from './facts.ts';
import { detectNvidiaGpus } from './gpus.ts';
import { measureWorkPerSecond, rateOf } from './self-test.ts';

const GIB = 1024 ** 3;

test('a machine without a driver has its one CPU unit; with one, its GPUs by UUID in lower case', async () => {
  expect(await listUnits('m', () => detectNvidiaGpus('/nowhere'))).toEqual(['cpu:m']);
  const folder = mkdtempSync(join(tmpdir(), 'celium-gpus-'));
  try {
    for (const [slot, uuid] of [
      ['0000:02:00.0', 'GPU-0A1B2C3D-0000-4000-8000-000000000002'],
      ['0000:01:00.0', 'GPU-0a1b2c3d-0000-4000-8000-000000000001'],
      ['0000:03:00.0', '??'],
    ] as const) {
      mkdirSync(join(folder, slot));
      writeFileSync(join(folder, slot, 'information'), `Model: \t NVIDIA H200\nGPU UUID: \t ${uuid}\nBus Type: PCIe\n`);
    }
    expect(await listUnits('m', () => detectNvidiaGpus(folder))).toEqual([
      'GPU-0a1b2c3d-0000-4000-8000-000000000001',
      'GPU-0a1b2c3d-0000-4000-8000-000000000002',
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the host keeps a twentieth of its memory, at least half a GiB', () => {
  expect(memoryForPodsBytes(100 * GIB)).toBe(95 * GIB);
  expect(memoryForPodsBytes(4 * GIB)).toBe(3.5 * GIB);
  const facts = readHostFacts(tmpdir());
  expect(facts.cpuCores).toBeGreaterThanOrEqual(1);
  expect(facts.memoryBytes).toBeGreaterThan(0);
  expect(facts.diskBytes).toBeGreaterThan(0);
});

test('any host name gives a machine id that a manifest takes', () => {
  expect(machineIdOfHostname('GPU Rack_7.example.com')).toBe('gpu-rack-7');
  expect(machineIdOfHostname('...')).toBe('machine');
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (name) => machineId.safeParse(machineIdOfHostname(name)).success),
  );
});

test('the rate is that of a self test whose answers were right', () => {
  expect(rateOf('hello\n{"ok":true,"declaredRateUnitsPerSecond":1025}\n')).toBe(1_025);
  for (const output of [
    '',
    '{"ok":false,"declaredRateUnitsPerSecond":9}',
    '{"ok":true}',
    '{"ok":true,"declaredRateUnitsPerSecond":-1}',
  ]) {
    expect(rateOf(output)).toBe(null);
  }
});

test('a prover that does not run is named', async () => {
  await expect(measureWorkPerSecond('/nowhere/prover.mjs')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
