/**
 * What an inventory gives reason to look at. Its every figure is the host's own word, and who cheats would not report himself: so an alarm
 * can lower the trust in a machine and send somebody to look, and a clean inventory grants nothing, no class, no verdict, no score.
 */

import { claimedGpuClass, GENERIC_GPU_CLASS, GPU_CLASSES } from '../machine/gpu-classes.ts';

/** A GPU in an inventory, as far as the rules need it. */
export interface GpuFacts {
  unit: string;
  name: string;
  mig: { enabled: boolean } | null;
  pcie: { width: number | null; maxWidth: number | null };
  power: { limitMilliwatts: number | null; defaultLimitMilliwatts: number | null };
  throttle: readonly string[];
  ecc: { uncorrected: number } | null;
  xids: ReadonlyArray<{ code: number; atMs: number }>;
  uses: ReadonlyArray<{ by: 'lease' | 'leak' | 'foreign' | 'host'; processes: number }>;
}

/** An inventory, as far as the rules need it. */
export interface HostFacts {
  takenAtMs: number;
  host: { cpuCores: number; memoryBytes: number; diskBytes: number };
  containers: { leaked: number; foreignRunning: number } | null;
  engine: { podFilter?: boolean | undefined } | null;
  driverUnits: readonly string[];
  nvml: { driver: string; mpsRunning: boolean; gpus: readonly GpuFacts[] } | null;
  nvmlAbsent: string | null;
}

/** What the machine's manifest promises and what checks measured. */
export interface ExpectedHost {
  units: readonly string[];
  cpuCores: number;
  memoryBytes: number;
  diskBytes: number;
  /** The class that the newest proof of a unit measured; units without one are left out. */
  measuredClass: ReadonlyMap<string, string>;
}

export type HostAlarmCode =
  | 'GPU_USED_WITHOUT_LEASE'
  | 'LEAKED_CONTAINER'
  | 'UNIT_MISSING'
  | 'DRIVER_DISAGREES'
  | 'NVML_ABSENT'
  | 'NAME_DIFFERS'
  | 'MIG_ENABLED'
  | 'MPS_RUNNING'
  | 'PCIE_NARROW'
  | 'POWER_CAPPED'
  | 'THROTTLED'
  | 'ECC_ERRORS'
  | 'XID_EVENTS'
  | 'DRIVER_OLD'
  | 'CPU_BELOW_MANIFEST'
  | 'MEMORY_BELOW_MANIFEST'
  | 'DISK_BELOW_MANIFEST'
  | 'CLOCK_SKEW'
  | 'PODS_NOT_FILTERED';

/** One alarm; `unit` is null when it is about the host. `detail` holds figures and our words only, nothing that the host wrote. */
export interface HostAlarm {
  code: HostAlarmCode;
  unit: string | null;
  detail: string;
}

/** How much is thought of a machine: `watched` is a passed check with an alarm that bears on what renters get. */
export type Trust = 'none' | 'watched' | 'verified';

/** Alarms that say that a renter may not get what a check found, or that somebody else uses it. */
const SERIOUS: ReadonlySet<HostAlarmCode> = new Set([
  'GPU_USED_WITHOUT_LEASE',
  'UNIT_MISSING',
  'DRIVER_DISAGREES',
  'NAME_DIFFERS',
  'MIG_ENABLED',
  'MPS_RUNNING',
  'ECC_ERRORS',
  'XID_EVENTS',
]);

/** Alarms that concern the provider and the market only: nothing that a renter gets is less for them. */
const NOT_FOR_RENTERS: ReadonlySet<HostAlarmCode> = new Set(['LEAKED_CONTAINER', 'DRIVER_OLD', 'CLOCK_SKEW']);

/** Whether a renter should know of an alarm before renting. */
export function concernsRenters(code: HostAlarmCode): boolean {
  return !NOT_FOR_RENTERS.has(code);
}

/** NVIDIA's oldest production branch that still gets fixes; CUDA 12 needs 525 at least. */
export const OLDEST_DRIVER_BRANCH = 535;
/** A clock further off than this makes signed requests fail and documents look old, in milliseconds. */
export const MAX_CLOCK_SKEW_MS = 30_000;
/** Xid events older than this are history, in milliseconds. */
export const XID_RELEVANT_MS = 24 * 3_600_000;
/** A host has a little less than it was sold with: what the firmware and the kernel keep. */
const MEMORY_TOLERANCE = 0.9;
const MAX_ALARMS = 64;
/** What slows a card down for a fault of the host; a power cap of software is shown by its limit. */
const FAULTS_OF_HOST: ReadonlySet<string> = new Set(['hw-slowdown', 'hw-thermal', 'hw-power-brake', 'sw-thermal']);

/** All alarms of an inventory, at most 64. `receivedAtMs`: when it came, on the reader's clock, at once after it was taken. */
export function alarmsOfHost(facts: HostFacts, expected: ExpectedHost, receivedAtMs: number): HostAlarm[] {
  const listed = facts.nvml?.gpus.filter(({ unit }) => expected.units.includes(unit)) ?? [];
  return [
    ...hostAlarms(facts, expected, receivedAtMs),
    ...driverAlarms(facts, expected),
    ...listed.flatMap((gpu) => gpuAlarms(gpu, expected.measuredClass.get(gpu.unit), receivedAtMs)),
  ].slice(0, MAX_ALARMS);
}

/** What a verdict is worth beside the newest inventory's alarms. Null: no inventory, which takes nothing away. */
export function trustOf(verdict: 'pass' | 'fail' | null, alarms: readonly HostAlarm[] | null): Trust {
  if (verdict !== 'pass') return 'none';
  return alarms?.some(({ code }) => SERIOUS.has(code)) === true ? 'watched' : 'verified';
}

function hostAlarms(facts: HostFacts, expected: ExpectedHost, receivedAtMs: number): HostAlarm[] {
  const alarms: HostAlarm[] = [];
  const say = (code: HostAlarmCode, detail: string): void => void alarms.push({ code, unit: null, detail });
  const { host, containers } = facts;
  const skewMs = facts.takenAtMs - receivedAtMs;
  if (Math.abs(skewMs) > MAX_CLOCK_SKEW_MS) say('CLOCK_SKEW', `the clock is off by ${Math.round(skewMs / 1000)} s`);
  if (host.cpuCores < expected.cpuCores)
    say('CPU_BELOW_MANIFEST', `${host.cpuCores} processor cores, ${expected.cpuCores} in the manifest`);
  if (host.memoryBytes < expected.memoryBytes * MEMORY_TOLERANCE)
    say(
      'MEMORY_BELOW_MANIFEST',
      `${gibibytes(host.memoryBytes)} of memory, ${gibibytes(expected.memoryBytes)} in the manifest`,
    );
  if (host.diskBytes < expected.diskBytes)
    say(
      'DISK_BELOW_MANIFEST',
      `${gibibytes(host.diskBytes)} of disk, ${gibibytes(expected.diskBytes)} in the manifest`,
    );
  if (facts.engine?.podFilter === false)
    say('PODS_NOT_FILTERED', 'no packet filter keeps pods from this host and the networks behind it');
  if (containers !== null && containers.leaked > 0)
    say('LEAKED_CONTAINER', `${containers.leaked} containers of the agent have no open lease`);
  return alarms;
}

function driverAlarms(facts: HostFacts, expected: ExpectedHost): HostAlarm[] {
  const gpus = expected.units.filter((unit) => unit.startsWith('GPU-'));
  if (gpus.length === 0) return [];
  if (facts.nvml === null)
    return [{ code: 'NVML_ABSENT', unit: null, detail: 'the manifest lists GPUs, and their library tells nothing' }];
  const alarms: HostAlarm[] = [];
  const { driver, mpsRunning } = facts.nvml;
  const shown = new Set(facts.nvml.gpus.map(({ unit }) => unit));
  const ofKernel = new Set(facts.driverUnits);
  for (const unit of gpus) {
    const inLibrary = shown.has(unit);
    const inKernel = ofKernel.has(unit);
    if (!inLibrary && !inKernel) alarms.push({ code: 'UNIT_MISSING', unit, detail: 'the host shows no such GPU' });
    else if (inLibrary !== inKernel) {
      const detail = `only ${inKernel ? 'the kernel' : 'the library'} shows this GPU`;
      alarms.push({ code: 'DRIVER_DISAGREES', unit, detail });
    }
  }
  const branch = Number(/^(\d{1,6})/.exec(driver)?.[1] ?? Number.NaN);
  if (!(branch >= OLDEST_DRIVER_BRANCH))
    alarms.push({
      code: 'DRIVER_OLD',
      unit: null,
      detail: Number.isNaN(branch)
        ? 'the driver tells no version'
        : `driver ${branch}, at least ${OLDEST_DRIVER_BRANCH} is wanted`,
    });
  if (mpsRunning)
    alarms.push({ code: 'MPS_RUNNING', unit: null, detail: 'the multi-process server runs: GPUs may be shared' });
  return alarms;
}

function gpuAlarms(gpu: GpuFacts, measuredClass: string | undefined, nowMs: number): HostAlarm[] {
  const alarms: HostAlarm[] = [];
  const say = (code: HostAlarmCode, detail: string): void => void alarms.push({ code, unit: gpu.unit, detail });
  const strangers = gpu.uses.filter(({ by }) => by !== 'lease');
  const count = (by: string): number => strangers.find((use) => use.by === by)?.processes ?? 0;
  if (strangers.length > 0)
    say(
      'GPU_USED_WITHOUT_LEASE',
      `processes: ${count('host')} of the host, ${count('foreign')} in foreign containers, ${count('leak')} in leaked ones`,
    );
  if (measuredClass !== undefined && namesAnother(measuredClass, gpu.name))
    say('NAME_DIFFERS', `the driver names another card than the ${measuredClass} that was measured`);
  if (gpu.mig?.enabled === true) say('MIG_ENABLED', 'the GPU is cut into instances');
  const { width, maxWidth } = gpu.pcie;
  if (width !== null && maxWidth !== null && width < maxWidth) say('PCIE_NARROW', `${width} of ${maxWidth} PCIe lanes`);
  const { limitMilliwatts, defaultLimitMilliwatts } = gpu.power;
  if (limitMilliwatts !== null && defaultLimitMilliwatts !== null && limitMilliwatts < defaultLimitMilliwatts)
    say('POWER_CAPPED', `${watts(limitMilliwatts)} of ${watts(defaultLimitMilliwatts)}`);
  const faults = gpu.throttle.filter((reason) => FAULTS_OF_HOST.has(reason));
  if (faults.length > 0) say('THROTTLED', faults.join(', '));
  if ((gpu.ecc?.uncorrected ?? 0) > 0) say('ECC_ERRORS', `${gpu.ecc?.uncorrected} uncorrected memory errors`);
  const xids = gpu.xids.filter(({ atMs }) => nowMs - atMs <= XID_RELEVANT_MS).map(({ code }) => code);
  if (xids.length > 0) say('XID_EVENTS', `Xid ${[...new Set(xids)].join(', ')}`);
  return alarms;
}

/** Whether the driver names a card of another class than was measured. A name or a class that the table does not know says nothing. */
function namesAnother(measuredClass: string, name: string): boolean {
  const claimed = claimedGpuClass(name);
  const isKnown = measuredClass === GENERIC_GPU_CLASS || GPU_CLASSES.some((one) => one.name === measuredClass);
  return claimed !== null && isKnown && claimed.name !== measuredClass;
}

function gibibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 30)} GiB`;
}

function watts(milliwatts: number): string {
  return `${Math.round(milliwatts / 1000)} W`;
}
