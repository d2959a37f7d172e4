/** What this host has to lease: units, and figures that are shown as the provider's word only. */
import { statfsSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { cpuUnit } from '@celium/domain';

/** Cores, and bytes of memory and disk, that pods may have in all. */
export interface HostFacts {
  cpuCores: number;
  memoryBytes: number;
  diskBytes: number;
}

/** Finds the GPUs of the host by UUID; empty where there is no driver. */
export type DetectGpus = () => Promise<string[]>;

const MIN_RESERVE_BYTES = 512 * 1024 * 1024;
const RESERVED_PART = 20;
const ID_LENGTH = 64;

/** Memory kept back for the host itself: a twentieth, at least 512 MiB. */
export function memoryForPodsBytes(totalBytes: number): number {
  const reserve = Math.max(MIN_RESERVE_BYTES, Math.floor(totalBytes / RESERVED_PART));
  return Math.max(MIN_RESERVE_BYTES, totalBytes - reserve);
}

/** Reads the figures of this host; `diskDir` lies on the disk that pods use. */
export function readHostFacts(diskDir: string): HostFacts {
  const disk = statfsSync(diskDir);
  return {
    cpuCores: availableParallelism(),
    memoryBytes: memoryForPodsBytes(totalmem()),
    diskBytes: disk.bavail * disk.bsize,
  };
}

/** All units of a machine: its GPUs, or the one unit of a machine without. */
export async function listUnits(machineId: string, detectGpus: DetectGpus): Promise<string[]> {
  const gpus = await detectGpus();
  return gpus.length > 0 ? gpus : [cpuUnit(machineId)];
}

/** A machine id from a host name: lower case, `a-z0-9-`, at most 64 characters; `machine` when nothing is left. */
export function machineIdOfHostname(name = hostname()): string {
  const id = (name.toLowerCase().split('.')[0] ?? '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, ID_LENGTH)
    .replaceAll(/^-+|-+$/g, '');
  return id === '' ? 'machine' : id;
}
