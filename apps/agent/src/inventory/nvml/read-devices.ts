/** Reads every GPU that the library shows. Two devices never share a reading, and one that fails half-way is left out. */
import type { DeviceHandle, Nvml } from './library.ts';
import type { GpuProcess, GpuReading, NvmlReading } from './reading.ts';

const MAX_GPUS = 64;
const MAX_MIG_INSTANCES = 8;
const SM = 1;
const MEMORY = 2;

/** Bits of NVML's throttle reasons, by its names. What an idle GPU or a set clock says is no throttling and left out. */
const THROTTLE_REASONS: ReadonlyArray<readonly [bit: bigint, name: string]> = [
  [0x4n, 'sw-power-cap'],
  [0x8n, 'hw-slowdown'],
  [0x10n, 'sync-boost'],
  [0x20n, 'sw-thermal'],
  [0x40n, 'hw-thermal'],
  [0x80n, 'hw-power-brake'],
];

/** One reading of the whole host. */
export function readDevices(nvml: Nvml): NvmlReading {
  const handles: DeviceHandle[] = [];
  const gpus: GpuReading[] = [];
  let mpsProcesses = false;
  for (let index = 0; index < Math.min(MAX_GPUS, nvml.deviceCount()); index += 1) {
    const handle = nvml.device(index);
    const gpu = handle === null ? null : readGpu(nvml, handle);
    if (handle === null || gpu === null) continue;
    handles.push(handle);
    gpus.push(gpu);
    mpsProcesses ||= (nvml.processes(handle, 'MPSCompute') ?? []).length > 0;
  }
  nvml.watchXids(handles);
  const xids = nvml.takeXids().flatMap(({ uuid, code }) => {
    const unit = unitOfUuid(uuid);
    return unit === null ? [] : [{ unit, code }];
  });
  return { driver: nvml.driverVersion() ?? '', cuda: nvml.cudaVersion() ?? '', gpus, xids, mpsProcesses };
}

/** A GPU's unit name from the UUID that a driver shows, or null when that is none. */
export function unitOfUuid(uuid: string): string | null {
  const digits = /^GPU-([0-9a-fA-F-]{8,64})$/.exec(uuid.trim())?.[1];
  return digits === undefined ? null : `GPU-${digits.toLowerCase()}`;
}

function readGpu(nvml: Nvml, device: DeviceHandle): GpuReading | null {
  const unit = unitOfUuid(nvml.uuid(device) ?? '');
  const memory = nvml.memory(device);
  if (unit === null || memory === null) return null;
  return {
    unit,
    name: nvml.deviceName(device) ?? '',
    memoryBytes: memory.totalBytes,
    memoryUsedBytes: memory.usedBytes,
    mig: readMig(nvml, device),
    pcie: {
      generation: nvml.number('nvmlDeviceGetCurrPcieLinkGeneration', device),
      maxGeneration: nvml.number('nvmlDeviceGetMaxPcieLinkGeneration', device),
      width: nvml.number('nvmlDeviceGetCurrPcieLinkWidth', device),
      maxWidth: nvml.number('nvmlDeviceGetMaxPcieLinkWidth', device),
    },
    clocks: {
      smMhz: nvml.numberOfKind('nvmlDeviceGetClockInfo', device, SM),
      maxSmMhz: nvml.numberOfKind('nvmlDeviceGetMaxClockInfo', device, SM),
      memoryMhz: nvml.numberOfKind('nvmlDeviceGetClockInfo', device, MEMORY),
      maxMemoryMhz: nvml.numberOfKind('nvmlDeviceGetMaxClockInfo', device, MEMORY),
    },
    power: {
      limitMilliwatts: nvml.number('nvmlDeviceGetPowerManagementLimit', device),
      defaultLimitMilliwatts: nvml.number('nvmlDeviceGetPowerManagementDefaultLimit', device),
    },
    temperatureC: nvml.numberOfKind('nvmlDeviceGetTemperature', device, 0),
    throttle: throttleOf(nvml.throttleReasons(device) ?? 0n),
    ecc: readEcc(nvml, device),
    processes: readProcesses(nvml, device),
  };
}

function readMig(nvml: Nvml, device: DeviceHandle): GpuReading['mig'] {
  const enabled = nvml.migEnabled(device);
  if (enabled === null) return null;
  const instances: string[] = [];
  const count = enabled ? Math.min(MAX_MIG_INSTANCES, nvml.maxMigDevices(device)) : 0;
  for (let index = 0; index < count; index += 1) {
    const instance = nvml.migDevice(device, index);
    const uuid = instance === null ? null : nvml.uuid(instance);
    if (uuid !== null) instances.push(uuid);
  }
  return { enabled, instances };
}

function readEcc(nvml: Nvml, device: DeviceHandle): GpuReading['ecc'] {
  if (nvml.eccEnabled(device) !== true) return null;
  return { corrected: nvml.eccErrors(device, 0) ?? 0, uncorrected: nvml.eccErrors(device, 1) ?? 0 };
}

/** A process that computes and draws is one process. */
function readProcesses(nvml: Nvml, device: DeviceHandle): GpuProcess[] {
  const byPid = new Map<number, GpuProcess>();
  for (const kind of ['Graphics', 'Compute'] as const)
    for (const one of nvml.processes(device, kind) ?? []) byPid.set(one.pid, one);
  return [...byPid.values()];
}

function throttleOf(bits: bigint): string[] {
  return THROTTLE_REASONS.filter(([bit]) => (bits & bit) !== 0n).map(([, name]) => name);
}
