/** Alarms from a host's own word: each has its cause, and no inventory ever makes a machine worth more. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  alarmsOfHost,
  MAX_CLOCK_SKEW_MS,
  OLDEST_DRIVER_BRANCH,
  trustOf,
  XID_RELEVANT_MS,
  type ExpectedHost,
  type GpuFacts,
  type HostFacts,
} from './host-alarms.ts';

const NOW = 1_790_000_000_000;
const GIB = 2 ** 30;
const UNIT = 'GPU-0a1b2c3d';

const gpu = (given: Partial<GpuFacts> = {}): GpuFacts => ({
  unit: UNIT,
  name: 'NVIDIA H200',
  mig: { enabled: false },
  pcie: { width: 16, maxWidth: 16 },
  power: { limitMilliwatts: 700_000, defaultLimitMilliwatts: 700_000 },
  throttle: ['sw-power-cap'],
  ecc: { uncorrected: 0 },
  xids: [],
  uses: [{ by: 'lease', processes: 2 }],
  ...given,
});
const host = (given: Partial<HostFacts> = {}, gpus = [gpu()]): HostFacts => ({
  takenAtMs: NOW - 1_000,
  host: { cpuCores: 32, memoryBytes: 250 * GIB, diskBytes: 2_000 * GIB },
  containers: { leaked: 0, foreignRunning: 3 },
  engine: { podFilter: true },
  driverUnits: [UNIT],
  nvml: { driver: '570.86.15', mpsRunning: false, gpus },
  nvmlAbsent: null,
  ...given,
});
const expected = (given: Partial<ExpectedHost> = {}): ExpectedHost => ({
  units: [UNIT],
  cpuCores: 32,
  memoryBytes: 256 * GIB,
  diskBytes: 1_000 * GIB,
  measuredClass: new Map([[UNIT, 'H200']]),
  ...given,
});
const codes = (facts: HostFacts, wanted = expected()): string[] =>
  alarmsOfHost(facts, wanted, NOW).map(({ code }) => code);
const withGpu = (given: Partial<GpuFacts>): string[] => codes(host({}, [gpu(given)]));

test('a host that is as its manifest says raises no alarm', () => {
  expect(alarmsOfHost(host(), expected(), NOW)).toEqual([]);
});

describe('a GPU raises an alarm', () => {
  test.each([
    ['processes of the host use it', { uses: [{ by: 'host', processes: 1 }] }, 'GPU_USED_WITHOUT_LEASE'],
    ['a foreign container uses it', { uses: [{ by: 'foreign', processes: 1 }] }, 'GPU_USED_WITHOUT_LEASE'],
    ['a container of ended lease uses it', { uses: [{ by: 'leak', processes: 1 }] }, 'GPU_USED_WITHOUT_LEASE'],
    ['it is cut into instances', { mig: { enabled: true } }, 'MIG_ENABLED'],
    ['it has fewer PCIe lanes than it could', { pcie: { width: 4, maxWidth: 16 } }, 'PCIE_NARROW'],
    ['its power is capped', { power: { limitMilliwatts: 1, defaultLimitMilliwatts: 2 } }, 'POWER_CAPPED'],
    ['it is hot', { throttle: ['hw-thermal'] }, 'THROTTLED'],
    ['its memory fails', { ecc: { uncorrected: 1 } }, 'ECC_ERRORS'],
    ['it had an Xid event today', { xids: [{ code: 79, atMs: NOW - XID_RELEVANT_MS }] }, 'XID_EVENTS'],
    ['its name is of another card than was measured', { name: 'NVIDIA H100 80GB HBM3' }, 'NAME_DIFFERS'],
  ] as Array<[string, Partial<GpuFacts>, string]>)('when %s', (_when, given, code) => {
    expect(withGpu(given)).toEqual([code]);
  });

  test('for nothing that the driver does not tell, and for no Xid of yesterday', () => {
    const nothing = { mig: null, ecc: null, pcie: { width: null, maxWidth: 16 }, throttle: [] };
    const xids = [{ code: 79, atMs: NOW - XID_RELEVANT_MS - 1 }];
    expect(withGpu({ ...nothing, xids, power: { limitMilliwatts: null, defaultLimitMilliwatts: null } })).toEqual([]);
  });

  test('for no name that the table of classes does not know, and for no near neighbour of one class', () => {
    expect(withGpu({ name: 'NVIDIA Unheard-of 9000' })).toEqual([]);
    expect(
      codes(host({}, [gpu({ name: 'NVIDIA A40' })]), expected({ measuredClass: new Map([[UNIT, 'A6000']]) })),
    ).toEqual([]);
    expect(codes(host(), expected({ measuredClass: new Map([[UNIT, 'NVIDIA']]) }))).toEqual(['NAME_DIFFERS']);
    expect(codes(host(), expected({ measuredClass: new Map() }))).toEqual([]);
  });

  test('only when the manifest lists it: what else a provider has is his own', () => {
    const other = gpu({ unit: 'GPU-99999999', uses: [{ by: 'host', processes: 9 }] });
    expect(codes(host({}, [gpu(), other]))).toEqual([]);
  });

  test('never by a text that the host wrote', () => {
    const evil = '\u001b]0;owned<script>';
    const alarms = alarmsOfHost(
      host({ nvmlAbsent: evil }, [gpu({ name: evil, mig: { enabled: true } })]),
      expected(),
      NOW,
    );
    expect(JSON.stringify(alarms)).not.toContain('owned');
  });
});

describe('a host raises an alarm', () => {
  test.each([
    ['a listed GPU is not there', host({ driverUnits: [] }, []), 'UNIT_MISSING'],
    ['only the library shows a GPU', host({ driverUnits: [] }), 'DRIVER_DISAGREES'],
    ['only the kernel shows a GPU', host({}, []), 'DRIVER_DISAGREES'],
    ['its library is silent', host({ nvml: null, nvmlAbsent: 'no NVIDIA driver is loaded' }), 'NVML_ABSENT'],
    [
      'GPUs may be shared',
      host({ nvml: { driver: String(OLDEST_DRIVER_BRANCH), mpsRunning: true, gpus: [gpu()] } }),
      'MPS_RUNNING',
    ],
    ['its driver is old', host({ nvml: { driver: '470.1', mpsRunning: false, gpus: [gpu()] } }), 'DRIVER_OLD'],
    ['its driver tells no version', host({ nvml: { driver: '?', mpsRunning: false, gpus: [gpu()] } }), 'DRIVER_OLD'],
    ['pods reach the networks of their host', host({ engine: { podFilter: false } }), 'PODS_NOT_FILTERED'],
    ['containers outlive their leases', host({ containers: { leaked: 1, foreignRunning: 0 } }), 'LEAKED_CONTAINER'],
    ['its clock is slow', host({ takenAtMs: NOW - MAX_CLOCK_SKEW_MS - 1 }), 'CLOCK_SKEW'],
    ['its clock is fast', host({ takenAtMs: NOW + MAX_CLOCK_SKEW_MS + 1 }), 'CLOCK_SKEW'],
    [
      'cores are missing',
      host({ host: { cpuCores: 4, memoryBytes: 300 * GIB, diskBytes: 2_000 * GIB } }),
      'CPU_BELOW_MANIFEST',
    ],
    [
      'memory is missing',
      host({ host: { cpuCores: 32, memoryBytes: 8 * GIB, diskBytes: 2_000 * GIB } }),
      'MEMORY_BELOW_MANIFEST',
    ],
    [
      'disk is missing',
      host({ host: { cpuCores: 32, memoryBytes: 300 * GIB, diskBytes: GIB } }),
      'DISK_BELOW_MANIFEST',
    ],
  ])('when %s', (_when, facts, code) => {
    expect(codes(facts)).toEqual([code]);
  });

  test('about no driver when it sells no GPU, and about no container when the engine is silent', () => {
    const cpuMachine = host({
      nvml: null,
      nvmlAbsent: 'no NVIDIA driver is loaded',
      driverUnits: [],
      containers: null,
    });
    expect(codes(cpuMachine, expected({ units: ['cpu:box'], measuredClass: new Map() }))).toEqual([]);
  });
});

const word = fc.string({ maxLength: 20 });
const count = fc.double({ min: 0, noNaN: true });
const figure = fc.option(count);
const anyGpu: fc.Arbitrary<GpuFacts> = fc.record({
  unit: fc.constantFrom(UNIT, 'GPU-99999999'),
  name: fc.oneof(word, fc.constantFrom('NVIDIA H200', 'NVIDIA GeForce RTX 3060')),
  mig: fc.option(fc.record({ enabled: fc.boolean() })),
  pcie: fc.record({ width: figure, maxWidth: figure }),
  power: fc.record({ limitMilliwatts: figure, defaultLimitMilliwatts: figure }),
  throttle: fc.array(word, { maxLength: 3 }),
  ecc: fc.option(fc.record({ uncorrected: count })),
  xids: fc.array(fc.record({ code: fc.nat(), atMs: fc.nat() }), { maxLength: 3 }),
  uses: fc.array(
    fc.record({
      by: fc.constantFrom('lease' as const, 'leak' as const, 'foreign' as const, 'host' as const),
      processes: fc.nat(),
    }),
    { maxLength: 3 },
  ),
});
const anyHost: fc.Arbitrary<HostFacts> = fc.record({
  takenAtMs: count,
  host: fc.record({ cpuCores: count, memoryBytes: count, diskBytes: count }),
  containers: fc.option(fc.record({ leaked: fc.nat(), foreignRunning: fc.nat() })),
  engine: fc.option(fc.record({ podFilter: fc.boolean() })),
  driverUnits: fc.array(fc.constantFrom(UNIT, 'GPU-99999999'), { maxLength: 70 }),
  nvml: fc.option(fc.record({ driver: word, mpsRunning: fc.boolean(), gpus: fc.array(anyGpu, { maxLength: 70 }) })),
  nvmlAbsent: fc.option(word),
});
const ORDER = ['none', 'watched', 'verified'] as const;

describe('whatever an inventory says', () => {
  test('it never makes a machine worth more than without one', () => {
    fc.assert(
      fc.property(anyHost, fc.constantFrom('pass' as const, 'fail' as const, null), (facts, verdict) => {
        const alarms = alarmsOfHost(facts, expected(), NOW);
        expect(ORDER.indexOf(trustOf(verdict, alarms))).toBeLessThanOrEqual(ORDER.indexOf(trustOf(verdict, null)));
        expect(trustOf(verdict, alarms) === 'none').toBe(verdict !== 'pass');
      }),
    );
  });

  test('a further alarm never raises the trust, and there are at most 64 alarms', () => {
    fc.assert(
      fc.property(anyHost, fc.nat(), (facts, at) => {
        const alarms = alarmsOfHost(facts, expected(), NOW);
        expect(alarms.length).toBeLessThanOrEqual(64);
        const fewer = alarms.filter((_, index) => index !== at % Math.max(1, alarms.length));
        expect(ORDER.indexOf(trustOf('pass', alarms))).toBeLessThanOrEqual(ORDER.indexOf(trustOf('pass', fewer)));
      }),
    );
  });
});
