/**
 * NVIDIA's management library, bound through koffi: only the calls that the inventory needs, each with its result or null.
 *
 * Everything the library says is a hint. A call that a device or driver does not know is null, never an error. Loaded in a process of its own
 * (`main.ts`): a call may hang with a broken GPU, and a library that a stranger replaced may do anything.
 */
import type { LibraryHandle } from 'koffi';

/** A device as the library names it: an address, which only the library understands. */
export type DeviceHandle = bigint;

const SUCCESS = 0;
const INSUFFICIENT_SIZE = 7;
const TEXT_BYTES = 96;
const PROCESS_BYTES = 24;
/** Handles are pointers; every other argument is a number, or room for an answer. */
const HANDLE = 'uint64_t';
const ROOM = 'void *';
const EVENT_BYTES = 32;
const FIRST_PROCESSES = 64;
const MAX_PROCESSES = 1_024;
const XID_EVENT = 8n;
const MAX_EVENTS = 64;
/** A figure that the library does not have: all bits set. */
const NO_FIGURE = 0xffff_ffff_ffff_ffffn;

/** One process on a device. */
export interface DeviceProcess {
  pid: number;
  memoryBytes: number | null;
}

/** Why there is no library to ask. */
export class NvmlAbsent extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'NvmlAbsent';
  }
}

/** The library at `path`, initialised. Throws `NvmlAbsent`. */
export async function openNvml(path: string): Promise<Nvml> {
  const { default: koffi } = await import('koffi');
  let library: LibraryHandle;
  try {
    library = koffi.load(path);
  } catch (cause) {
    throw new NvmlAbsent(`${path} cannot be loaded`, cause);
  }
  const nvml = new Nvml(library);
  const result = nvml.call('nvmlInit_v2', [], []);
  if (result === SUCCESS) return nvml;
  throw new NvmlAbsent(result === null ? `${path} is no NVML` : `nvmlInit says ${result}: the driver does not answer`);
}

type Argument = number | bigint | Uint8Array;
type Call = (...given: Argument[]) => number;

/** The calls. A figure is null where the library, driver or device does not have it. */
export class Nvml {
  readonly #library: LibraryHandle;
  readonly #calls = new Map<string, Call | null>();
  #events: DeviceHandle | null = null;

  constructor(library: LibraryHandle) {
    this.#library = library;
  }

  /** The result code of a call; null when the library has no such call. */
  call(name: string, types: readonly string[], given: readonly Argument[]): number | null {
    let found = this.#calls.get(name);
    if (found === undefined) {
      try {
        found = this.#library.func(name, 'int', [...types]) as Call;
      } catch {
        found = null;
      }
      this.#calls.set(name, found);
    }
    return found === null ? null : found(...given);
  }

  driverVersion(): string | null {
    return this.#text('nvmlSystemGetDriverVersion');
  }

  /** CUDA's version as the driver has it, such as 12.4. */
  cudaVersion(): string | null {
    const bytes = Buffer.alloc(4);
    if (this.call('nvmlSystemGetCudaDriverVersion_v2', [ROOM], [bytes]) !== SUCCESS) return null;
    const version = bytes.readInt32LE();
    return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
  }

  deviceCount(): number {
    const bytes = Buffer.alloc(4);
    return this.call('nvmlDeviceGetCount_v2', [ROOM], [bytes]) === SUCCESS ? bytes.readUInt32LE() : 0;
  }

  device(index: number): DeviceHandle | null {
    return this.#handle('nvmlDeviceGetHandleByIndex_v2', ['uint32_t'], [index]);
  }

  migDevice(device: DeviceHandle, index: number): DeviceHandle | null {
    return this.#handle('nvmlDeviceGetMigDeviceHandleByIndex', [HANDLE, 'uint32_t'], [device, index]);
  }

  uuid(device: DeviceHandle): string | null {
    return this.#text('nvmlDeviceGetUUID', device);
  }

  deviceName(device: DeviceHandle): string | null {
    return this.#text('nvmlDeviceGetName', device);
  }

  memory(device: DeviceHandle): { totalBytes: number; usedBytes: number } | null {
    const bytes = this.#read('nvmlDeviceGetMemoryInfo', device, 24);
    return bytes === null
      ? null
      : { totalBytes: Number(bytes.readBigUInt64LE(0)), usedBytes: Number(bytes.readBigUInt64LE(16)) };
  }

  /** Whether the device is cut into MIG instances now; null where it cannot be. */
  migEnabled(device: DeviceHandle): boolean | null {
    return this.#pair('nvmlDeviceGetMigMode', device, (current) => current !== 0);
  }

  maxMigDevices(device: DeviceHandle): number {
    return this.number('nvmlDeviceGetMaxMigDeviceCount', device) ?? 0;
  }

  eccEnabled(device: DeviceHandle): boolean | null {
    return this.#pair('nvmlDeviceGetEccMode', device, (current) => current !== 0);
  }

  /** Errors since the driver was loaded: corrected ones (0) or uncorrected ones (1). */
  eccErrors(device: DeviceHandle, kind: 0 | 1): number | null {
    const bytes = Buffer.alloc(8);
    const types = [HANDLE, 'int', 'int', ROOM];
    if (this.call('nvmlDeviceGetTotalEccErrors', types, [device, kind, 0, bytes]) !== SUCCESS) return null;
    return Number(bytes.readBigUInt64LE());
  }

  throttleReasons(device: DeviceHandle): bigint | null {
    return this.#read('nvmlDeviceGetCurrentClocksThrottleReasons', device, 8)?.readBigUInt64LE() ?? null;
  }

  /** A figure of 32 bits by the name of its call: PCIe link, power limits. */
  number(name: string, device: DeviceHandle): number | null {
    return this.#read(name, device, 4)?.readUInt32LE() ?? null;
  }

  /** A figure that comes by kind: clocks (1 for the multiprocessors, 2 for memory), temperature (0). */
  numberOfKind(name: string, device: DeviceHandle, kind: number): number | null {
    const bytes = Buffer.alloc(4);
    const types = [HANDLE, 'int', ROOM];
    return this.call(name, types, [device, kind, bytes]) === SUCCESS ? bytes.readUInt32LE() : null;
  }

  /** Processes of one kind on a device; null when the library does not tell. */
  processes(device: DeviceHandle, kind: 'Compute' | 'Graphics' | 'MPSCompute'): DeviceProcess[] | null {
    const name = `nvmlDeviceGet${kind}RunningProcesses_v3`;
    for (let room = FIRST_PROCESSES; room <= MAX_PROCESSES; room *= 4) {
      const count = Buffer.alloc(4);
      count.writeUInt32LE(room);
      const infos = Buffer.alloc(room * PROCESS_BYTES);
      const result = this.call(name, [HANDLE, ROOM, ROOM], [device, count, infos]);
      if (result === INSUFFICIENT_SIZE) continue;
      if (result !== SUCCESS) return null;
      return Array.from({ length: Math.min(room, count.readUInt32LE()) }, (_, at) => {
        const used = infos.readBigUInt64LE(at * PROCESS_BYTES + 8);
        return { pid: infos.readUInt32LE(at * PROCESS_BYTES), memoryBytes: used === NO_FIGURE ? null : Number(used) };
      });
    }
    return null;
  }

  /** From now on Xid events of these devices are kept for `takeXids`. */
  watchXids(devices: readonly DeviceHandle[]): void {
    if (this.#events !== null) return;
    this.#events = this.#handle('nvmlEventSetCreate', [], []);
    if (this.#events === null) return;
    for (const device of devices)
      this.call('nvmlDeviceRegisterEvents', [HANDLE, 'uint64_t', HANDLE], [device, XID_EVENT, this.#events]);
  }

  /** Xid events since the last call, by the UUID of their device. */
  takeXids(): Array<{ uuid: string; code: number }> {
    const taken: Array<{ uuid: string; code: number }> = [];
    if (this.#events === null) return taken;
    for (let events = 0; events < MAX_EVENTS; events += 1) {
      const event = Buffer.alloc(EVENT_BYTES);
      if (this.call('nvmlEventSetWait_v2', [HANDLE, ROOM, 'uint32_t'], [this.#events, event, 0]) !== SUCCESS) break;
      const uuid = this.uuid(event.readBigUInt64LE(0));
      if (event.readBigUInt64LE(8) !== XID_EVENT || uuid === null) continue;
      taken.push({ uuid, code: Number(event.readBigUInt64LE(16)) });
    }
    return taken;
  }

  #handle(name: string, types: readonly string[], given: readonly Argument[]): DeviceHandle | null {
    const room = Buffer.alloc(8);
    return this.call(name, [...types, ROOM], [...given, room]) === SUCCESS ? room.readBigUInt64LE() : null;
  }

  #text(name: string, device?: DeviceHandle): string | null {
    const bytes = Buffer.alloc(TEXT_BYTES);
    const before = device === undefined ? [] : [HANDLE];
    const given = device === undefined ? [] : [device];
    const result = this.call(name, [...before, ROOM, 'uint32_t'], [...given, bytes, TEXT_BYTES]);
    if (result !== SUCCESS) return null;
    const end = bytes.indexOf(0);
    return bytes.toString('latin1', 0, end < 0 ? TEXT_BYTES : end).replace(/[^\x20-\x7e]/g, '?');
  }

  #read(name: string, device: DeviceHandle, length: number): Buffer | null {
    const bytes = Buffer.alloc(length);
    return this.call(name, [HANDLE, ROOM], [device, bytes]) === SUCCESS ? bytes : null;
  }

  #pair<Value>(name: string, device: DeviceHandle, read: (current: number) => Value): Value | null {
    const [current, pending] = [Buffer.alloc(4), Buffer.alloc(4)];
    const result = this.call(name, [HANDLE, ROOM, ROOM], [device, current, pending]);
    return result === SUCCESS ? read(current.readUInt32LE()) : null;
  }
}
