/**
 * The inventory: what the agent sees of its host. Hints only: the host's owner controls every figure in it, so it can raise an alarm and
 * grants nothing. At most 64 kB in canonical form; what would not fit is counted instead of listed.
 */

import { z } from 'zod';
import { machineId, unitId, unixMs } from '../fields.ts';

const words = z.string().max(100);
const bytes = z.int().min(0);
/** A figure that the driver may not have for a device. */
const figure = z.number().min(0).nullable();

/** Who uses a GPU. Containers that are not ours are counted, never named: what else a provider runs is his own. */
const gpuUse = z.looseObject({
  /** `lease`: a container of an open lease; `leak`: ours without one; `foreign`: another container; `host`: no container at all. */
  by: z.enum(['lease', 'leak', 'foreign', 'host']),
  leaseId: z.uuid().nullable(),
  processes: z.int().min(1),
  /** Null when the driver does not say. */
  memoryBytes: bytes.nullable(),
});

const gpu = z.looseObject({
  unit: unitId,
  /** The name that the driver gives: a claim, never a class. */
  name: words,
  memoryBytes: bytes,
  memoryUsedBytes: bytes,
  /** Null on devices that know no MIG. */
  mig: z.looseObject({ enabled: z.boolean(), instances: z.array(words).max(8) }).nullable(),
  pcie: z.looseObject({ generation: figure, maxGeneration: figure, width: figure, maxWidth: figure }),
  clocks: z.looseObject({ smMhz: figure, maxSmMhz: figure, memoryMhz: figure, maxMemoryMhz: figure }),
  power: z.looseObject({ limitMilliwatts: figure, defaultLimitMilliwatts: figure }),
  temperatureC: figure,
  /** Why the clocks are lower than they could be, as NVML names it. */
  throttle: z.array(z.string().max(32)).max(16),
  /** Errors since the driver was loaded; null where ECC is off or unknown. */
  ecc: z.looseObject({ corrected: z.number().min(0), uncorrected: z.number().min(0) }).nullable(),
  /** The newest Xid events since the agent started, oldest first. */
  xids: z.array(z.looseObject({ code: z.int().min(0), atMs: unixMs })).max(8),
  uses: z.array(gpuUse).max(6),
  /** Users beyond those listed. */
  moreUses: z.int().min(0),
});

export const inventoryBody = z.looseObject({
  machineId,
  bootId: z.string().max(64),
  agentInstanceId: z.string().max(64),
  takenAtMs: unixMs,
  host: z.looseObject({
    cpuModel: words,
    cpuCores: z.int().min(1),
    /** Those of the CPU's features that matter to a pod or tell of a virtual machine. */
    cpuFlags: z.array(z.string().max(32)).max(64),
    memoryBytes: bytes,
    memoryAvailableBytes: bytes,
    diskBytes: bytes,
    diskFreeBytes: bytes,
    kernel: words,
  }),
  /** The Docker Engine; null when it does not answer. */
  engine: z
    .looseObject({
      version: words,
      storageDriver: words,
      usernsRemap: z.boolean(),
      /** Whether a packet filter keeps pods from the host and its networks; agents before it say nothing. */
      podFilter: z.boolean().optional(),
    })
    .nullable(),
  /** Every container on the host, by whose it is; null when the engine does not answer. */
  containers: z
    .looseObject({
      /** Of open leases, running or not. */
      leased: z.int().min(0),
      /** With our label and without an open lease. */
      leaked: z.int().min(0),
      /** Of another agent on the same engine. */
      otherAgents: z.int().min(0),
      foreign: z.int().min(0),
      foreignRunning: z.int().min(0),
    })
    .nullable(),
  /** GPUs that the kernel's driver shows, whatever its library says. */
  driverUnits: z.array(unitId).max(64),
  /** NVIDIA's management library; null where there is none, with the reason in `nvmlAbsent`. */
  nvml: z.looseObject({ driver: words, cuda: words, mpsRunning: z.boolean(), gpus: z.array(gpu).max(32) }).nullable(),
  nvmlAbsent: z.string().max(300).nullable(),
});

export type Inventory = z.infer<typeof inventoryBody>;
export type InventoryGpu = z.infer<typeof gpu>;
