/** Work in units and the deadline rule: pure arithmetic on what the validator's own clock saw. */
import { CELLS_PER_LEAF, chainSecondsAt, type ProofParams, stepCount, stepKind, type StepKind } from './params.ts';
import { type GpuPace, SIZES } from './size-classes.ts';

/** The least share of the reference rate that a challenge must reach. */
export const MIN_RATE_SHARE = 0.92;
/** Network time that is credited at most, however long the probes took. */
export const MAX_RTT_CREDIT_MS = 300;
/** Scheduling allowance of the validator. */
export const DEADLINE_SLACK_MS = 50;

/**
 * Units per million operations. One unit is the work that one core of the nominal CPU machine does in one millisecond: a ChaCha8
 * iteration of a cell, the digest of one cell, one hop, one multiply-accumulate.
 */
export const UNITS_PER_MILLION = { fillIteration: 18, sweptCell: 8, hop: 60, multiplyAdd: 0.04 } as const;

/** The lowest rate, in units per second, at which a machine is judged, whatever it declares. */
export const MIN_DECLARED_RATE_UNITS_PER_SECOND = 100;

/** A GPU's unit is a millisecond of its class's pace, so that a card at the pace does this many in a second. */
export const PACE_UNITS_PER_SECOND = 1000;
/** Filling takes at most so many times as long as reading, on the cards of the table: what it may take is no evidence. */
const FILL_TO_SWEEP = 600;

function gpuPace(params: ProofParams): GpuPace | null {
  const { rounds } = SIZES[params.sizeClass];
  return 'pace' in rounds ? rounds : null;
}

/**
 * The rate at which a challenge is judged: what a CPU machine declares, and for a GPU the least share of its class's pace. What a GPU is called or
 * declares changes nothing here; which class its time is worth is another question (`classifyGpu` of `@celium/domain`).
 */
export function judgedRate(params: ProofParams, declaredRateUnitsPerSecond: number): number {
  const pace = gpuPace(params);
  if (pace !== null) return Math.floor(pace.leastShare * PACE_UNITS_PER_SECOND);
  return Math.max(0, Math.floor(declaredRateUnitsPerSecond));
}

/** Work of one step of a CPU chain, in units. */
function stepWorkUnits(params: ProofParams, kind: StepKind): number {
  if (kind === 'sweep') return (params.memoryLeaves * CELLS_PER_LEAF * UNITS_PER_MILLION.sweptCell) / 1e6;
  if (kind === 'walk') return (params.walkers * params.hopsPerWalk * UNITS_PER_MILLION.hop) / 1e6;
  const { productSize, productDepth } = params;
  const expand = (2 * productSize * productDepth * UNITS_PER_MILLION.fillIteration) / 64e6;
  return expand + (productSize * productSize * productDepth * UNITS_PER_MILLION.multiplyAdd) / 1e6;
}

/** Work of the timed chain, in units. */
export function chainWorkUnits(params: ProofParams): number {
  const pace = gpuPace(params);
  if (pace !== null) return Math.round(chainSecondsAt(params, pace.pace) * PACE_UNITS_PER_SECOND);
  let units = 0;
  for (let step = 0; step < stepCount(params); step++) units += stepWorkUnits(params, stepKind(params, step));
  return Math.round(units);
}

/** Work of the fill, in units. */
export function fillWorkUnits(params: ProofParams): number {
  const pace = gpuPace(params);
  if (pace !== null) {
    return Math.round((FILL_TO_SWEEP * PACE_UNITS_PER_SECOND * params.memoryBytes) / pace.pace.sweptBytes);
  }
  const iterations = params.memoryLeaves * CELLS_PER_LEAF * params.fillIterations;
  return Math.round((iterations * UNITS_PER_MILLION.fillIteration) / 1e6);
}

/** What the deadline rule looks at. */
export interface DeadlineInput {
  /** From sending `start` to the arrival of the last root. */
  elapsedMs: number;
  workUnits: number;
  /** The class reference, or what a CPU machine declares. */
  rateUnitsPerSecond: number;
  rttMinMs: number;
}

/** The rule's answer; the limit is in milliseconds after `start` was sent. */
export interface DeadlineVerdict {
  ok: boolean;
  limitMs: number;
}

/** The limit of the rule: W / (0.92 rate) + min(RTT_min, 300 ms) + 50 ms. */
export function deadlineMs(workUnits: number, rateUnitsPerSecond: number, rttMinMs: number): number {
  const rate = Math.max(rateUnitsPerSecond, MIN_DECLARED_RATE_UNITS_PER_SECOND) * MIN_RATE_SHARE;
  return (workUnits / rate) * 1000 + Math.min(Math.max(rttMinMs, 0), MAX_RTT_CREDIT_MS) + DEADLINE_SLACK_MS;
}

/** The network time that a path is credited with, in milliseconds: what a run took less this is the device's. */
export function networkCreditMs(rttMinMs: number): number {
  return deadlineMs(0, MIN_DECLARED_RATE_UNITS_PER_SECOND, rttMinMs);
}

/** Whether the chain was done in time. A declared rate below the floor is judged at the floor. */
export function judgeDeadline(input: DeadlineInput): DeadlineVerdict {
  const limitMs = deadlineMs(input.workUnits, input.rateUnitsPerSecond, input.rttMinMs);
  return { ok: input.elapsedMs <= limitMs, limitMs };
}
