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

/** The sizes of a challenge: what a prover is told and what follows from the record. All counts are whole numbers. */
export interface ChallengeSizes {
  /** 16 KiB leaves of the fill. */
  memoryLeaves: number;
  /** ChaCha8 iterations behind each cell. */
  fillIterations: number;
  /** Rows of A and of B transposed; a multiple of 256. */
  productSize: number;
  /** Elements in each row of an operand (K); at most 65,536, so that int32 and fp32 sums are exact. */
  productDepth: number;
  /** Operand bytes keyed by one resident cell; 1,024 or 16,384, or the whole row where it is shorter. */
  segmentBytes: number;
  /** Independent walks of a walk step; a multiple of 8. */
  walkers: number;
  hopsPerWalk: number;
  /** The steps of one round, in order. */
  pattern: readonly StepKind[];
  rounds: number;
}

/** One full parameter record. */
export interface ProofParams extends ParamsName, ChallengeSizes {
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
    memoryBytes: 32 * LEAF_BYTES,
    fillIterations: 4,
    productSize: 256,
    productDepth: 256,
    walkers: 32,
    hopsPerWalk: 16,
    pattern: ['sweep', 'int8', 'walk', 'bf16'],
    rounds: { onboarding: 8, routine: 4 },
  },
  'cpu-demo': {
    memoryBytes: 64 * 1024 * 1024,
    fillIterations: 128,
    productSize: 512,
    productDepth: 16384,
    walkers: 4096,
    hopsPerWalk: 256,
    pattern: PATTERN,
    rounds: { onboarding: 12, routine: 6 },
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

const SEGMENT_BYTES: Record<Purpose, number> = { onboarding: 1024, routine: 16384 };
const AUDIT: Record<Purpose, ProofParams['audit']> = {
  onboarding: { tiles: 64, leaves: 64, walks: 16 },
  routine: { tiles: 24, leaves: 24, walks: 8 },
};

/** The least and the most memory that a `gpu` challenge may claim. */
const GPU_MEMORY_LIMITS = { min: 1024 ** 3, max: (2 ** 32 - 1) * LEAF_BYTES };

/**
 * The full record of a class. `memoryBytes` is for `gpu` only: claimed bytes to fill, rounded down to whole leaves.
 * Throws a RangeError for a size that the record does not allow.
 */
export function proofParams(sizeClass: SizeClass, purpose: Purpose, memoryBytes?: number): ProofParams {
  const sizes = SIZES[sizeClass];
  const asked = memoryBytes ?? sizes.memoryBytes;
  const filled = asked - (asked % LEAF_BYTES);
  if (sizeClass !== 'gpu' && filled !== sizes.memoryBytes) {
    throw new RangeError(`class ${sizeClass} fills ${sizes.memoryBytes} bytes, not ${filled}`);
  }
  if (sizeClass === 'gpu' && !(filled >= GPU_MEMORY_LIMITS.min && filled <= GPU_MEMORY_LIMITS.max)) {
    throw new RangeError(`a gpu challenge fills 1 GiB to 64 TiB, not ${filled} bytes`);
  }
  return {
    version: PARAMS_VERSION,
    sizeClass,
    purpose,
    memoryBytes: filled,
    memoryLeaves: filled / LEAF_BYTES,
    fillIterations: sizes.fillIterations,
    productSize: sizes.productSize,
    productDepth: sizes.productDepth,
    segmentBytes: Math.min(SEGMENT_BYTES[purpose], sizes.productDepth),
    walkers: sizes.walkers,
    hopsPerWalk: sizes.hopsPerWalk,
    pattern: sizes.pattern,
    rounds: sizes.rounds[purpose],
    audit: AUDIT[purpose],
  };
}

/** The name of a record: what transcripts and claims carry. */
export function paramsName(params: ProofParams): ParamsName {
  const { version, sizeClass, purpose, memoryBytes } = params;
  return { version, sizeClass, purpose, memoryBytes };
}

/** Rebuilds the record that a name stands for; null when this program knows no such record. */
export function paramsByName(name: ParamsName): ProofParams | null {
  if (name.version !== PARAMS_VERSION) return null;
  if (!SIZE_CLASSES.includes(name.sizeClass) || !PURPOSES.includes(name.purpose)) return null;
  if (!Number.isSafeInteger(name.memoryBytes) || name.memoryBytes % LEAF_BYTES !== 0) return null;
  try {
    return proofParams(name.sizeClass, name.purpose, name.memoryBytes);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Steps of the whole chain. */
export function stepCount(params: ChallengeSizes): number {
  return params.pattern.length * params.rounds;
}

/** The kind of step `step`; throws a RangeError outside the chain. */
export function stepKind(params: ChallengeSizes, step: number): StepKind {
  const kind = step >= 0 && step < stepCount(params) ? params.pattern[step % params.pattern.length] : undefined;
  if (kind === undefined) throw new RangeError(`the chain has no step ${step}`);
  return kind;
}

/** Digests (answers) that one step of a kind commits to. */
export function answerCount(params: ChallengeSizes, kind: StepKind): number {
  if (kind === 'sweep') return params.memoryLeaves;
  if (kind === 'walk') return params.walkers;
  return (params.productSize / TILE_SIZE) ** 2;
}

/** Operand segments in one row of an operand. */
export function segmentsPerRow(params: ChallengeSizes): number {
  return params.productDepth / params.segmentBytes;
}
