/**
 * A device with true rates per axis, on paper: how long each step of a challenge takes on it. The rates of the reference are public specifications and estimates; every row made
 * with them is marked as simulated.
 */
import {
  CELL_BYTES,
  chainWorkUnits,
  judgedRate,
  type ProofParams,
  proofParams,
  type Purpose,
  stepCount,
  stepKind,
  type StepKind,
} from '@celium/proof';
import type { RandomStream } from '../random.ts';

/** Work per second on each axis of the chain, and what cheats need: making cells again, and links to other memory. */
export const REFERENCE = {
  /** 0.9 of 4.8 TB/s, an H200 by its data sheet. */
  sweptBytes: 4.32e12,
  /** A dependent hop for every 16th cell that could be read: an estimate that a GPU has to confirm. */
  hops: 4.8e12 / CELL_BYTES / 16,
  /** 0.85 of 1,979 TOPS and 989 TFLOPS, dense, two operations per multiply-accumulate. */
  int8Ops: 0.85 * 1.979e15,
  bf16Ops: 0.85 * 9.89e14,
  /** ChaCha8 iterations of a cell per second: 2.4 TB/s of cells at one iteration each, an estimate from integer throughput. */
  cellIterations: 2.4e12 / CELL_BYTES,
  /** PCIe 5.0 x16 as it is reached, bytes per second; a read of one cell at a time reaches a third. */
  hostLinkBytes: 55e9,
} as const;

/** Speed on each kind of step, as a share of the reference. */
export type Speeds = Readonly<Record<StepKind, number>>;

/** The same speed on all axes. */
export function uniformSpeed(speed: number): Speeds {
  return { sweep: speed, walk: speed, int8: speed, bf16: speed };
}

/** Milliseconds of one step on the reference. */
export function referenceStepMs(params: ProofParams, kind: StepKind): number {
  if (kind === 'sweep') return (params.memoryBytes / REFERENCE.sweptBytes) * 1e3;
  if (kind === 'walk') return ((params.walkers * params.hopsPerWalk) / REFERENCE.hops) * 1e3;
  const ops = 2 * params.productSize ** 2 * params.productDepth;
  return (ops / (kind === 'int8' ? REFERENCE.int8Ops : REFERENCE.bf16Ops)) * 1e3;
}

/** What is timed: the parameters, and the class's rate in the validator's units, at which the reference does the chain. */
export interface TimedChain {
  params: ProofParams;
  rateUnitsPerSecond: number;
  /** Of each step on the reference. */
  stepMs: readonly number[];
  /** The speed, as a share of the reference, below which the chain is late: that of the slowest card that gets these sizes. */
  leastSpeed: number;
  /** The class that the device says it is of, and that an honest one gets. */
  claimedModel: string;
  claimedClass: string;
}

/** The chain of Hopper cards. The reference is an H200; the deadline is that of the slowest card of these sizes, the class that of the time. */
export function timedChain(purpose: Purpose): TimedChain {
  const params = proofParams('gpu-hopper', purpose);
  const stepMs = Array.from({ length: stepCount(params) }, (_, step) =>
    referenceStepMs(params, stepKind(params, step)),
  );
  const rateUnitsPerSecond = judgedRate(params, 0);
  const slowestMs = (chainWorkUnits(params) / rateUnitsPerSecond) * 1e3;
  const leastSpeed = stepMs.reduce((sum, ms) => sum + ms, 0) / slowestMs;
  return { params, rateUnitsPerSecond, stepMs, leastSpeed, claimedModel: 'NVIDIA H200', claimedClass: 'H200' };
}

/** How far a device strays from its true rates from run to run: one standard deviation. */
const SPREAD = 0.01;
/** The share of runs in which it throttles, to 60 - 90 % of its speed for 1 - 10 s. */
const THROTTLED_RUNS = 0.01;

/** The duration of each step in one run of a device with these speeds, in ms. `extra` adds to a step what a cheat has to do besides. */
export function runSteps(
  chain: TimedChain,
  speeds: Speeds,
  random: RandomStream,
  extra: (kind: StepKind) => number = () => 0,
): number[] {
  const run = Math.max(0.9, random.normal(1, SPREAD));
  const throttled = random.unit() < THROTTLED_RUNS;
  const totalMs = chain.stepMs.reduce((sum, ms) => sum + ms, 0);
  const from = random.unit() * totalMs;
  const until = throttled ? from + 1_000 + random.unit() * 9_000 : from;
  const slowed = 0.6 + 0.3 * random.unit();
  let nowMs = 0;
  return chain.stepMs.map((referenceMs, step) => {
    const kind = stepKind(chain.params, step);
    const ms = (referenceMs / speeds[kind] + extra(kind)) / run;
    const taken = nowMs >= from && nowMs < until ? ms / slowed : ms;
    nowMs += taken;
    return taken;
  });
}
