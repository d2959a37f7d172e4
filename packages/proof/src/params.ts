/** The versioned parameter record `cgp1/params`: every size of a challenge, by class and purpose. Neither side may choose a size of its own. */
import {
  type AxisRates,
  type ClassSizes,
  LEAF_BYTES,
  type Purpose,
  PURPOSES,
  type SampleSizes,
  SIZE_CLASSES,
  type SizeClass,
  SIZES,
  type StepKind,
} from './size-classes.ts';

export {
  type AxisRates,
  CELL_BYTES,
  CELLS_PER_LEAF,
  LEAF_BYTES,
  type Purpose,
  PURPOSES,
  type SampleSizes,
  SIZE_CLASSES,
  type SizeClass,
  SIZES,
  STEP_KINDS,
  type StepKind,
} from './size-classes.ts';

/** The version of the record and of everything computed from it. */
export const PARAMS_VERSION = 'cgp1/params/1';

/** Rows and columns of one product tile. */
export const TILE_SIZE = 64;
/** Bytes of one answer digest. */
export const DIGEST_BYTES = 8;
/** Answer digests in one Merkle leaf. */
export const DIGESTS_PER_MERKLE_LEAF = 8;

/** Work of a chain at its class's pace, in seconds: at least this much is timed. */
export const CHAIN_SECONDS: Record<Purpose, number> = { onboarding: 20, routine: 10, 'routine-long': 20 };

/** What names a parameter record: with it anyone can rebuild every number. */
export interface ParamsName {
  version: typeof PARAMS_VERSION;
  sizeClass: SizeClass;
  purpose: Purpose;
  /** Bytes filled; a multiple of 128 KiB. Fixed for the CPU classes, from the claimed memory for a GPU (`bytesToFill`). */
  memoryBytes: number;
}

/** The sizes of a challenge: what a prover is told and what follows from the record. All counts are whole numbers. */
export interface ChallengeSizes {
  /** 16 KiB leaves of the fill; a multiple of 8. */
  memoryLeaves: number;
  /** ChaCha8 iterations behind each cell. */
  fillIterations: number;
  /** Rows of A and of B transposed; a multiple of 256. */
  productSize: number;
  /** Elements in each row of an operand (K); at most 65,536, so that int32 and fp32 sums are exact. */
  productDepth: number;
  /** Operand bytes keyed by one resident cell; at most the whole row. */
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
  audit: SampleSizes;
}

/** Memory is filled in groups of eight leaves, because eight answers make one Merkle leaf. */
const FILL_STEP_BYTES = DIGESTS_PER_MERKLE_LEAF * LEAF_BYTES;

/** The least and the most memory that a GPU challenge may fill. */
const GPU_MEMORY_LIMITS = { min: 1024 ** 3, max: 2 ** 32 * LEAF_BYTES - FILL_STEP_BYTES };

/** Room for operands, digests and trees beside the fill. */
export const WORKSPACE_BYTES = 2_000_000_000;

/** Whether a class is for GPUs, whose memory a challenge names. */
export function isGpuClass(sizeClass: SizeClass): boolean {
  return 'pace' in SIZES[sizeClass].rounds;
}

/**
 * How much of the claimed memory of a GPU is filled: 95 % where that leaves the workspace of 2 GB, else all but the workspace, and never less than 92 %
 * (24 GB cards). Whole groups of leaves.
 */
export function bytesToFill(claimedBytes: number): number {
  const share = Math.max(0.92 * claimedBytes, Math.min(0.95 * claimedBytes, claimedBytes - WORKSPACE_BYTES));
  // Rounded up, so that the share holds also after rounding.
  return Math.ceil(share / FILL_STEP_BYTES) * FILL_STEP_BYTES;
}

/**
 * The full record of a class. `memoryBytes` is for GPUs only: the bytes to fill, rounded down to whole groups of leaves; the nominal memory of the
 * class where it is left out. Throws a RangeError for a size that the record does not allow.
 */
export function proofParams(sizeClass: SizeClass, purpose: Purpose, memoryBytes?: number): ProofParams {
  const sizes = SIZES[sizeClass];
  const isGpu = isGpuClass(sizeClass);
  const asked = memoryBytes ?? (isGpu ? bytesToFill(sizes.memoryBytes) : sizes.memoryBytes);
  const filled = asked - (asked % FILL_STEP_BYTES);
  if (!isGpu && filled !== sizes.memoryBytes) {
    throw new RangeError(`class ${sizeClass} fills ${sizes.memoryBytes} bytes, not ${filled}`);
  }
  if (isGpu && !(filled >= GPU_MEMORY_LIMITS.min && filled <= GPU_MEMORY_LIMITS.max)) {
    throw new RangeError(`a GPU challenge fills 1 GiB to 64 TiB, not ${filled} bytes`);
  }
  const depthOfAudit = purpose === 'onboarding' ? 'onboarding' : 'routine';
  const oneRound: ChallengeSizes = {
    memoryLeaves: filled / LEAF_BYTES,
    fillIterations: sizes.fillIterations,
    productSize: sizes.productSize,
    productDepth: sizes.productDepth,
    segmentBytes: sizes.segmentBytes[depthOfAudit],
    walkers: sizes.walkers,
    hopsPerWalk: sizes.hopsPerWalk,
    pattern: sizes.pattern,
    rounds: 1,
  };
  return {
    version: PARAMS_VERSION,
    sizeClass,
    purpose,
    memoryBytes: filled,
    ...oneRound,
    rounds: roundsOf(sizes, oneRound, purpose),
    audit: sizes.audit[depthOfAudit],
  };
}

/** The record for a unit by what is claimed of it: a size class by name (`gpu` where this program knows no such class) and, for a GPU, its memory. */
export function paramsForClaim(sizeClass: string, purpose: Purpose, claimedBytes: number): ProofParams {
  const known = SIZE_CLASSES.find((one) => one === sizeClass) ?? 'gpu';
  return proofParams(known, purpose, isGpuClass(known) ? bytesToFill(claimedBytes) : undefined);
}

function roundsOf({ rounds }: ClassSizes, oneRound: ChallengeSizes, purpose: Purpose): number {
  if ('pace' in rounds) return Math.ceil(CHAIN_SECONDS[purpose] / chainSecondsAt(oneRound, rounds.pace));
  return purpose === 'routine' ? rounds.short : rounds.long;
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
  if (!Number.isSafeInteger(name.memoryBytes) || name.memoryBytes % FILL_STEP_BYTES !== 0) return null;
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

/** What one step does: bytes swept, hops, or operations. */
export function stepAmount(sizes: ChallengeSizes, kind: StepKind): number {
  if (kind === 'sweep') return sizes.memoryLeaves * LEAF_BYTES;
  if (kind === 'walk') return sizes.walkers * sizes.hopsPerWalk;
  return 2 * sizes.productSize * sizes.productSize * sizes.productDepth;
}

/** The axis on which a kind of step counts. */
export const AXIS_OF: Record<StepKind, keyof AxisRates> = {
  sweep: 'sweptBytes',
  walk: 'hops',
  int8: 'int8Ops',
  bf16: 'bf16Ops',
};

/** What the whole chain does on each axis. */
export function chainAmounts(sizes: ChallengeSizes): AxisRates {
  const amounts: AxisRates = { sweptBytes: 0, hops: 0, int8Ops: 0, bf16Ops: 0 };
  for (const kind of sizes.pattern) amounts[AXIS_OF[kind]] += sizes.rounds * stepAmount(sizes, kind);
  return amounts;
}

/** How long the chain takes at given rates, in seconds: the steps follow each other, so the times of the axes add up. */
export function chainSecondsAt(sizes: ChallengeSizes, rates: AxisRates): number {
  const amounts = chainAmounts(sizes);
  let seconds = 0;
  for (const axis of Object.values(AXIS_OF)) if (amounts[axis] > 0) seconds += amounts[axis] / rates[axis];
  return seconds;
}
