/** Rates per kind of step, as the arrival of the roots on the validator's own clock shows them. */
import type { ProofParams } from './params.ts';

/** Work per second; 0 where nothing was seen. */
export interface ObservedRates {
  sweepBytesPerSecond: number;
  walkHopsPerSecond: number;
  int8OpsPerSecond: number;
}

/** Whole numbers. A prover may hold a root back, which makes the next step look faster: no single rate is a bound. */
export function ratesOf(params: ProofParams, rootArrivalsMs: readonly number[]): ObservedRates {
  const spentMs = { sweep: 0, walk: 0, int8: 0, bf16: 0 };
  const steps = { sweep: 0, walk: 0, int8: 0, bf16: 0 };
  let before = 0;
  for (const [step, arrival] of rootArrivalsMs.entries()) {
    const kind = params.pattern[step % params.pattern.length];
    if (kind === undefined) continue;
    spentMs[kind] += arrival - before;
    steps[kind] += 1;
    before = arrival;
  }
  const perSecond = (kind: keyof typeof steps, amountPerStep: number): number =>
    spentMs[kind] > 0 ? Math.round((steps[kind] * amountPerStep * 1000) / spentMs[kind]) : 0;
  return {
    sweepBytesPerSecond: perSecond('sweep', params.memoryBytes),
    walkHopsPerSecond: perSecond('walk', params.walkers * params.hopsPerWalk),
    int8OpsPerSecond: perSecond('int8', 2 * params.productSize * params.productSize * params.productDepth),
  };
}
