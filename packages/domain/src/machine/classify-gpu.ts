/**
 * What a run of a proof bears: a pure rule from times and amounts to a class. It rests on the whole chain's time alone, because the time between two roots
 * is the prover's to shift.
 */
import { claimedGpuClass, GENERIC_GPU_CLASS, GPU_CLASSES, type GpuClass } from './gpu-classes.ts';

/** Work, or work per second, on each axis of a chain. int8 and bf16 count two per multiply-accumulate. */
export interface GpuAxes {
  sweptBytes: number;
  hops: number;
  int8Ops: number;
  bf16Ops: number;
}

const AXES = ['sweptBytes', 'hops', 'int8Ops', 'bf16Ops'] as const satisfies ReadonlyArray<keyof GpuAxes>;

/** One passed run, as the validator's clock saw it. */
export interface GpuRun {
  /** What the machine calls its card: decides the sizes of the challenge, and with them which classes it is tried against. */
  claimedModel: string;
  /** Bytes that were filled and read. */
  memoryBytes: number;
  /** From the start to the last root, less the network credit. */
  workMs: number;
  amounts: GpuAxes;
}

/** The share of a class's reference that a run must reach. */
export const CLASS_RATE_SHARE = 0.92;
/** The share of a class's memory that must have been filled: 0.92 of what a driver that keeps a part for itself still shows. */
export const CLASS_MEMORY_SHARE = 0.88;

/** Shares of the data sheet's peaks that the reference takes: what a good kernel gets, so that a tuned one on a weaker card does not. */
const MEMORY_SHARE = 0.9;
const TENSOR_SHARE = 0.85;
/** One hop for so many cells that could be read in order. */
const CELLS_PER_HOP = 16;
const CELL_BYTES = 64;

/** The reference rates of a class, per second. */
export function referenceRates({ gigabytesPerSecond, int8Tops, bf16Tflops }: GpuClass): GpuAxes {
  return {
    sweptBytes: MEMORY_SHARE * gigabytesPerSecond * 1e9,
    hops: (gigabytesPerSecond * 1e9) / CELL_BYTES / CELLS_PER_HOP,
    int8Ops: TENSOR_SHARE * int8Tops * 1e12,
    bf16Ops: TENSOR_SHARE * bf16Tflops * 1e12,
  };
}

/** How long a chain takes at given rates, in milliseconds: its steps follow each other, so the times add up. */
export function chainMsAt(amounts: GpuAxes, rates: GpuAxes): number {
  let seconds = 0;
  for (const axis of AXES) if (amounts[axis] > 0) seconds += amounts[axis] / rates[axis];
  return seconds * 1000;
}

/** Whether a run is what a card of this class does: enough memory, and the whole chain within the class's time. */
export function bearsClass(run: Omit<GpuRun, 'claimedModel'>, gpuClass: GpuClass): boolean {
  const allowedMs = chainMsAt(run.amounts, referenceRates(gpuClass)) / (gpuClass.minShare ?? CLASS_RATE_SHARE);
  return run.memoryBytes >= CLASS_MEMORY_SHARE * gpuClass.memoryGib * 1024 ** 3 && run.workMs <= allowedMs;
}

/**
 * The class of a run: the first of the table that it bears. A run is tried against the classes of its own size class, because only their chain weighs the axes
 * as it has to for them, and whole cards against whole cards, slices against slices. A card that the table does not know, and one that bears nothing, is
 * `NVIDIA`. Claiming more than one has makes a run slower or fails it, and never lifts its class.
 */
export function classifyGpu(run: GpuRun): string {
  const claimed = claimedGpuClass(run.claimedModel);
  if (claimed === null) return GENERIC_GPU_CLASS;
  const isKin = (one: GpuClass): boolean =>
    one.sizeClass === claimed.sizeClass && (one.sliceOf === undefined) === (claimed.sliceOf === undefined);
  return GPU_CLASSES.find((one) => isKin(one) && bearsClass(run, one))?.name ?? GENERIC_GPU_CLASS;
}

/** What a proof found of one unit of a machine. */
export interface ProvenUnit {
  class: string;
  /** Units that answered under one barrier were challenged at the same time. */
  barrierId: string;
  passed: boolean;
}

/** What a machine with several GPUs is worth together. */
export interface MachineClass {
  /** The weakest class among its units; a machine is sold by what all of them bear. */
  class: string;
  units: number;
}

/**
 * The class of a machine: null until every unit passed under one barrier. Units that were tested one after the other may be one GPU, or share
 * a memory, and are not counted together.
 */
export function classifyMachine(units: readonly ProvenUnit[]): MachineClass | null {
  const barrierId = units[0]?.barrierId;
  if (barrierId === undefined || (barrierId === '' && units.length > 1)) return null;
  if (!units.every((unit) => unit.passed && unit.barrierId === barrierId)) return null;
  return { class: weakestGpuClass(units.map((unit) => unit.class))!, units: units.length };
}

/** The class of the lot that stands last in the table; a class that is not in it is weaker than all that are. Null for none. */
export function weakestGpuClass(names: readonly string[]): string | null {
  const order = (name: string): number => {
    const at = GPU_CLASSES.findIndex((one) => one.name === name);
    return at < 0 ? GPU_CLASSES.length : at;
  };
  return names.reduce<string | null>((low, name) => (low === null || order(name) > order(low) ? name : low), null);
}
