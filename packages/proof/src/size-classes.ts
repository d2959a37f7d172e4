/** The size classes of challenges: what each kind of hardware is given to do. Why each number is what it is: docs/adr/0008-sizes-and-samples.md. */

/** Bytes of one memory cell, the unit that is filled, read and walked. */
export const CELL_BYTES = 64;
/** Cells of one sweep leaf. */
export const CELLS_PER_LEAF = 256;
/** Bytes of one sweep leaf. */
export const LEAF_BYTES = CELL_BYTES * CELLS_PER_LEAF;

/** The kinds of steps of a chain; the position in this list is the byte on the wire. */
export const STEP_KINDS = ['sweep', 'walk', 'int8', 'bf16'] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/**
 * `micro` for content tests, `cpu-demo` for machines sold as `CPU`, the rest for one NVIDIA unit: by kind of memory (what regenerating costs beside reading)
 * and by speed (how long the chain takes). `gpu` is for Blackwell cards with GDDR7 and for every card that has no class of its own.
 */
export const SIZE_CLASSES = [
  'micro',
  'cpu-demo',
  'gpu',
  'gpu-b300',
  'gpu-b200',
  'gpu-hopper',
  'gpu-ampere',
  'gpu-slice',
  'gpu-ada',
  'gpu-gddr6',
] as const;
export type SizeClass = (typeof SIZE_CLASSES)[number];

export const PURPOSES = ['onboarding', 'routine', 'routine-long'] as const;
/**
 * `onboarding`: a long chain, the finest binding of operands to memory, and samples that find 10 % of skipped work of any kind in at least 99.9 of 100 runs.
 * `routine`: half the chain and a coarser audit. `routine-long`: the routine audit of a long chain, for links on which a short one cannot be timed.
 */
export type Purpose = (typeof PURPOSES)[number];

/** How many answers of each kind an audit recomputes, over all steps of the kind together. */
export interface SampleSizes {
  tiles: number;
  leaves: number;
  walks: number;
}

/** Work per second on each axis of the chain. */
export interface AxisRates {
  sweptBytes: number;
  hops: number;
  /** Additions and multiplications, two per multiply-accumulate. */
  int8Ops: number;
  bf16Ops: number;
}

/** How fast a GPU class is. */
export interface GpuPace {
  /** The rates of its fastest card. */
  pace: AxisRates;
  /** The share of the pace below which a run is late: under that of the slowest card of the class. */
  leastShare: number;
}

/** What a class fixes, apart from memory and rounds. */
export interface ClassSizes {
  /** Bytes filled where a challenge names none. */
  memoryBytes: number;
  fillIterations: number;
  productSize: number;
  productDepth: number;
  /** Operand bytes keyed by one resident cell. */
  segmentBytes: { onboarding: number; routine: number };
  walkers: number;
  hopsPerWalk: number;
  pattern: readonly StepKind[];
  /** Fixed for the CPU classes; for a GPU the rounds that its pace does in 20 s, or in 10 s. */
  rounds: { long: number; short: number } | GpuPace;
  audit: { onboarding: SampleSizes; routine: SampleSizes };
}

/** (1 - 0.1)^72 = 0.05 %: the samples of each kind at onboarding where the proof's bytes allow; the least for 99.9 % are 66. */
const ONBOARDING: SampleSizes = { tiles: 72, leaves: 72, walks: 72 };
const ROUTINE: SampleSizes = { tiles: 24, leaves: 24, walks: 8 };
/**
 * On a CPU speed proves nothing, so 5 % of missing memory has to show in the leaves alone: (1 - 0.05)^136 = 0.09 %; and a tenth of one kind of
 * products in the half of the tiles that this kind gets: (1 - 0.1)^68 = 0.08 %.
 */
const CPU_ONBOARDING: SampleSizes = { tiles: 136, leaves: 136, walks: 72 };

const PATTERN: readonly StepKind[] = ['sweep', 'int8', 'int8', 'int8', 'walk', 'bf16'];
/** Few and large steps on a GPU: every root travels. */
const GPU_PATTERN: readonly StepKind[] = ['sweep', 'int8', 'walk', 'bf16'];

/** The rates of the fastest card of a class: 0.90 of its memory's and 0.85 of its tensor cores' peak, a hop for every 16th cell that could be read. */
function pace(gigabytesPerSecond: number, int8Tops: number, bf16Tflops: number, leastShare: number): GpuPace {
  const bytes = gigabytesPerSecond * 1e9;
  return {
    pace: {
      sweptBytes: 0.9 * bytes,
      hops: bytes / CELL_BYTES / 16,
      int8Ops: 0.85 * int8Tops * 1e12,
      bf16Ops: 0.85 * bf16Tflops * 1e12,
    },
    leastShare,
  };
}

/** What most GPU classes share. */
const GPU = {
  productSize: 32_768,
  productDepth: 16_384,
  walkers: 524_288,
  hopsPerWalk: 256,
  pattern: GPU_PATTERN,
  audit: { onboarding: ONBOARDING, routine: ROUTINE },
} as const;

const GIB = 1024 ** 3;

export const SIZES: Record<SizeClass, ClassSizes> = {
  micro: {
    memoryBytes: 32 * LEAF_BYTES,
    fillIterations: 4,
    productSize: 256,
    productDepth: 256,
    segmentBytes: { onboarding: 256, routine: 256 },
    walkers: 32,
    hopsPerWalk: 16,
    pattern: ['sweep', 'int8', 'walk', 'bf16'],
    rounds: { long: 8, short: 4 },
    audit: { onboarding: CPU_ONBOARDING, routine: ROUTINE },
  },
  'cpu-demo': {
    memoryBytes: 64 * 1024 * 1024,
    fillIterations: 128,
    productSize: 512,
    productDepth: 16_384,
    segmentBytes: { onboarding: 1024, routine: 16_384 },
    walkers: 4096,
    hopsPerWalk: 256,
    pattern: PATTERN,
    rounds: { long: 12, short: 6 },
    audit: { onboarding: CPU_ONBOARDING, routine: ROUTINE },
  },
  gpu: {
    ...GPU,
    memoryBytes: 96 * GIB,
    fillIterations: 1664,
    segmentBytes: { onboarding: 8192, routine: 16_384 },
    hopsPerWalk: 128,
    rounds: pace(1792, 1000, 500, 0.1),
    audit: { onboarding: { tiles: 70, leaves: 70, walks: 70 }, routine: { tiles: 20, leaves: 16, walks: 8 } },
  },
  'gpu-b300': {
    ...GPU,
    memoryBytes: 268 * GIB,
    fillIterations: 320,
    productSize: 65_536,
    productDepth: 32_768,
    segmentBytes: { onboarding: 2048, routine: 16_384 },
    // Its INT8 is a tenth of its neighbours': BF16 alone decides.
    pattern: ['sweep', 'bf16', 'walk', 'bf16'],
    rounds: pace(8000, 1, 2250, 0.9),
    audit: { onboarding: { tiles: 70, leaves: 70, walks: 70 }, routine: ROUTINE },
  },
  'gpu-b200': {
    ...GPU,
    memoryBytes: 178 * GIB,
    fillIterations: 320,
    productSize: 65_536,
    productDepth: 32_768,
    segmentBytes: { onboarding: 2048, routine: 16_384 },
    rounds: pace(8000, 4500, 2250, 0.5),
    // Two thirds of its time are BF16: a tenth of the time left out there alone is 9 % of the tiles, and (1 - 0.09)^74 = 0.09 %.
    audit: { onboarding: { tiles: 74, leaves: 67, walks: 67 }, routine: ROUTINE },
  },
  'gpu-hopper': {
    ...GPU,
    memoryBytes: 140 * GIB,
    fillIterations: 320,
    productSize: 65_536,
    segmentBytes: { onboarding: 1024, routine: 16_384 },
    rounds: pace(4800, 1979, 989, 0.38),
    audit: { onboarding: { tiles: 70, leaves: 70, walks: 70 }, routine: ROUTINE },
  },
  'gpu-ampere': {
    ...GPU,
    memoryBytes: 80 * GIB,
    fillIterations: 320,
    segmentBytes: { onboarding: 1024, routine: 16_384 },
    rounds: pace(2039, 624, 312, 0.45),
  },
  'gpu-slice': {
    ...GPU,
    memoryBytes: 18 * GIB,
    fillIterations: 320,
    productSize: 16_384,
    segmentBytes: { onboarding: 1024, routine: 16_384 },
    walkers: 262_144,
    rounds: pace(970, 283, 142, 0.23),
  },
  'gpu-ada': {
    ...GPU,
    memoryBytes: 48 * GIB,
    fillIterations: 1152,
    segmentBytes: { onboarding: 4096, routine: 16_384 },
    hopsPerWalk: 128,
    rounds: pace(1008, 733, 364, 0.3),
    audit: { onboarding: ONBOARDING, routine: { tiles: 24, leaves: 20, walks: 8 } },
  },
  'gpu-gddr6': {
    ...GPU,
    memoryBytes: 48 * GIB,
    fillIterations: 640,
    productDepth: 8192,
    segmentBytes: { onboarding: 2048, routine: 8192 },
    hopsPerWalk: 128,
    rounds: pace(936, 310, 155, 0.35),
  },
};
