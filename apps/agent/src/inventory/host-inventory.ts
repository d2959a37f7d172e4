/** Composes the signed inventory of this host: the kernel's figures, the engine's containers, NVML's devices, each put down to whose it is. */
import { signDocument } from '@celium/chain';
import type { Inventory, InventoryGpu, Signed } from '@celium/contract';
import type { Clock } from '../clock.ts';
import { readEngineFacts } from '../engine/engine-api.ts';
import { detectNvidiaGpus } from '../host/gpus.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import { explain, type Log } from '../log.ts';
import { countContainers, listContainers, type HostContainer } from './containers.ts';
import { plainWords, readHost } from './host.ts';
import type { NvmlProcess } from './nvml/nvml-process.ts';
import type { GpuReading, NvmlAnswer, NvmlReading } from './nvml/reading.ts';
import { isMpsRunning, placeOfProcess } from './processes.ts';

/** What an inventory is made from. */
export interface InventoryPorts {
  identity: AgentIdentity;
  machineId: () => string;
  /** Ids of the leases that may have a container. */
  openLeases: () => ReadonlySet<string>;
  /** The engine's socket, and a folder on the disk that pods use. */
  socket: string;
  diskFolder: string;
  nvml: Pick<NvmlProcess, 'ask'>;
  /** Whether pods are kept from the networks of the host. */
  isFiltered: () => boolean;
  clock: Clock;
  log: Log;
  /** `/proc`, and the folder of the kernel's driver below it; others in tests. */
  procFolder?: string;
  gpuFolder?: string;
}

type ProcessOwner = Exclude<HostContainer['owner'], { by: 'other-agent' }> | { by: 'host' };

/** An inventory is not taken more often than this, however many ask. */
const KEEP_MS = 10_000;
const MAX_GPUS = 32;
const MAX_UNITS = 64;
const MAX_USES = 6;
const MAX_XIDS = 8;

/** The inventory of this host, taken when somebody asks. */
export class HostInventory {
  readonly #ports: InventoryPorts;
  readonly #xids = new Map<string, InventoryGpu['xids']>();
  #kept: { signed: Signed<'inventory'>; atMs: number } | null = null;
  #taking: Promise<Signed<'inventory'>> | null = null;

  constructor(ports: InventoryPorts) {
    this.#ports = ports;
  }

  /** The inventory, at most ten seconds old. */
  async read(): Promise<Signed<'inventory'>> {
    const kept = this.#kept;
    if (kept !== null && this.#ports.clock.monotonicMs() - kept.atMs < KEEP_MS) return kept.signed;
    this.#taking ??= this.#take().finally(() => (this.#taking = null));
    return this.#taking;
  }

  async #take(): Promise<Signed<'inventory'>> {
    const { identity, clock, nvml, diskFolder, procFolder, gpuFolder } = this.#ports;
    const [answer, engine, containers, driverUnits] = await Promise.all([
      nvml.ask(),
      this.#known(() => readEngineFacts(this.#ports.socket)),
      this.#known(() => listContainers(this.#ports.socket, identity.machineKey, this.#ports.openLeases())),
      detectNvidiaGpus(gpuFolder),
    ]);
    const body: Inventory = {
      machineId: this.#ports.machineId(),
      bootId: identity.bootId,
      agentInstanceId: identity.agentInstanceId,
      takenAtMs: clock.nowMs(),
      host: readHost(diskFolder, procFolder),
      engine:
        engine === null
          ? null
          : {
              version: plainWords(engine.serverVersion),
              storageDriver: plainWords(engine.storageDriver),
              usernsRemap: engine.remap !== null,
              podFilter: this.#ports.isFiltered(),
            },
      containers: containers === null ? null : countContainers(containers),
      driverUnits: driverUnits.slice(0, MAX_UNITS),
      ...this.#devices(answer, containers),
    };
    const signed = await signDocument('inventory', body, identity.key);
    this.#kept = { signed, atMs: clock.monotonicMs() };
    return signed;
  }

  #devices(answer: NvmlAnswer, containers: readonly HostContainer[] | null): Pick<Inventory, 'nvml' | 'nvmlAbsent'> {
    if ('absent' in answer) return { nvml: null, nvmlAbsent: plainWords(answer.absent) };
    const { driver, cuda, gpus, mpsProcesses } = answer.reading;
    this.#noteXids(answer.reading);
    const ownerOf = new Map(containers?.map(({ id, owner }) => [id, owner]));
    const ownerOfProcess = (pid: number): ProcessOwner | null => {
      const place = placeOfProcess(pid, this.#ports.procFolder);
      if (place === null || place === 'host') return place === null ? null : { by: 'host' };
      // Without the engine's word nothing is said of who runs a container.
      if (containers === null) return null;
      const owner = ownerOf.get(place) ?? { by: 'foreign' };
      return owner.by === 'other-agent' ? { by: 'foreign' } : owner;
    };
    return {
      nvml: {
        driver: plainWords(driver),
        cuda: plainWords(cuda),
        mpsRunning: mpsProcesses || isMpsRunning(this.#ports.procFolder),
        gpus: gpus.slice(0, MAX_GPUS).map((gpu) => this.#gpu(gpu, ownerOfProcess)),
      },
      nvmlAbsent: null,
    };
  }

  #gpu(gpu: GpuReading, ownerOfProcess: (pid: number) => ProcessOwner | null): InventoryGpu {
    const { processes, ...figures } = gpu;
    const uses = new Map<string, InventoryGpu['uses'][number]>();
    for (const { pid, memoryBytes } of processes) {
      const owner = ownerOfProcess(pid);
      if (owner === null) continue;
      const leaseId = owner.by === 'lease' ? owner.leaseId : null;
      const use = uses.get(`${owner.by} ${leaseId}`) ?? { by: owner.by, leaseId, processes: 0, memoryBytes: 0 };
      use.processes += 1;
      use.memoryBytes = memoryBytes === null || use.memoryBytes === null ? null : use.memoryBytes + whole(memoryBytes);
      uses.set(`${owner.by} ${leaseId}`, use);
    }
    // Whoever uses a GPU without a lease comes first: that is never what gets cut.
    const listed = [...uses.values()].sort((a, b) => Number(a.by === 'lease') - Number(b.by === 'lease'));
    return {
      ...figures,
      name: plainWords(gpu.name),
      memoryBytes: whole(gpu.memoryBytes),
      memoryUsedBytes: whole(gpu.memoryUsedBytes),
      mig: gpu.mig === null ? null : { ...gpu.mig, instances: gpu.mig.instances.map(plainWords) },
      xids: this.#xids.get(gpu.unit) ?? [],
      uses: listed.slice(0, MAX_USES),
      moreUses: Math.max(0, listed.length - MAX_USES),
    };
  }

  #noteXids({ xids }: NvmlReading): void {
    for (const { unit, code } of xids) {
      const known = this.#xids.get(unit) ?? [];
      this.#xids.set(unit, [...known, { code: whole(code), atMs: this.#ports.clock.nowMs() }].slice(-MAX_XIDS));
    }
  }

  async #known<Value>(read: () => Promise<Value>): Promise<Value | null> {
    try {
      return await read();
    } catch (fault) {
      this.#ports.log.warn({ fault: explain(fault) }, 'the inventory is taken without the engine');
      return null;
    }
  }
}

/** A count that a document can carry: a library may say anything. */
function whole(value: number): number {
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
