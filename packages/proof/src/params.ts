/** The versioned parameter record `cgp1/params`: every size of a challenge, by class and purpose. Neither side may choose a size of its own. */

/** The version of the record and of everything computed from it. */
export const PARAMS_VERSION = 'cgp1/params/1';

/** Bytes of one memory cell, the unit that is filled, read and walked. */
export const CELL_BYTES = 64;
/** Cells of one sweep leaf. */
export const CELLS_PER_LEAF = 256;
/** Bytes of one sweep leaf. */
export const LEAF_BYTES = CELL_BYTES * CELLS_PER_LEAF;
/** Rows and columns of one product tile. */
export const TILE_SIZE = 64;
/** Bytes of one answer digest. */
export const DIGEST_BYTES = 8;
/** Answer digests in one Merkle leaf. */
export const DIGESTS_PER_MERKLE_LEAF = 8;

/** The kinds of steps of a chain; the position in this list is the byte on the wire. */
export const STEP_KINDS = ['sweep', 'walk', 'int8', 'bf16'] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** `micro` for content tests, `cpu-demo` for machines sold as `CPU`, `gpu` for one NVIDIA unit. */
export const SIZE_CLASSES = ['micro', 'cpu-demo', 'gpu'] as const;
export type SizeClass = (typeof SIZE_CLASSES)[number];

export const PURPOSES = ['onboarding', 'routine'] as const;
/** `onboarding` binds one memory cell per 1 KiB of operand and samples 64 + 64 + 16; `routine` one per 16 KiB and 24 + 24 + 8. */
export type Purpose = (typeof PURPOSES)[number];

/** What names a parameter record: with it anyone can rebuild every number. */
export interface ParamsName {
  version: typeof PARAMS_VERSION;
  sizeClass: SizeClass;
  purpose: Purpose;
  /** Bytes filled; a multiple of 16 KiB. Fixed for the CPU classes, from the claimed memory for `gpu`. */
  memoryBytes: number;
}

/** One full parameter record. All counts are whole numbers. */
export interface ProofParams extends ParamsName {
  /** 16 KiB leaves of the fill. */
  memoryLeaves: number;
  /** ChaCha8 iterations behind each cell. */
  fillIterations: number;
  /** Rows of A and of B transposed; a multiple of 64 with a tile count that is a multiple of 8. */
  productSize: number;
  /** Elements in each row of an operand (K); at most 65,536, so that int32 and fp32 sums are exact. */
  productDepth: number;
  /** Operand bytes keyed by one resident cell; 1,024 or 16,384. */
  segmentBytes: number;
  /** Independent walks of a walk step; a multiple of 8. */
  walkers: number;
  hopsPerWalk: number;
  /** The steps of one round, in order. */
  pattern: readonly StepKind[];
  rounds: number;
  /** Samples of the audit, over all steps of a kind together. */
  audit: { tiles: number; leaves: number; walks: number };
}

interface ClassSizes {
  memoryBytes: number;
  fillIterations: number;
  productSize: number;
  productDepth: number;
  walkers: number;
  hopsPerWalk: number;
  pattern: readonly StepKind[];
  rounds: Record<Purpose, number>;
}

const PATTERN: readonly StepKind[] = ['sweep', 'int8', 'int8', 'int8', 'walk', 'bf16'];

const SIZES: Record<SizeClass, ClassSizes> = {
  micro: {
    memoryBytes: 8 * LEAF_BYTES,
    fillIterations: 4,
    productSize: 192,
    productDepth: 16384,
    walkers: 32,
    hopsPerWalk: 8,
    pattern: ['sweep', 'int8', 'walk', 'bf16'],
    rounds: { onboarding: 2, routine: 1 },
  },
  'cpu-demo': {
    memoryBytes: 64 * 1024 * 1024,
    fillIterations: 128,
    productSize: 512,
    productDepth: 16384,
    walkers: 4096,
    hopsPerWalk: 256,
    pattern: PATTERN,
    rounds: { onboarding: 6, routine: 3 },
  },
  gpu: {
    memoryBytes: 134_000_000_000 - (134_000_000_000 % LEAF_BYTES),
    fillIterations: 256,
    productSize: 16384,
    productDepth: 16384,
    walkers: 1_048_576,
    hopsPerWalk: 256,
    pattern: ['sweep', 'int8', 'int8', 'int8', 'int8', 'int8', 'int8', 'walk', 'bf16', 'bf16'],
    rounds: { onboarding: 130, routine: 65 },
  },
};
