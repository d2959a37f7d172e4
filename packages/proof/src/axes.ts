/** What a run shows on each axis, from the arrival of the roots on the validator's clock. Figures for people: no verdict and no class rests on one of them. */
import type { ObservedTiming, ProofClaim } from './contracts.ts';
import { networkCreditMs } from './deadline.ts';
import { type AxisRates, AXIS_OF, chainAmounts, paramsByName, type ProofParams, stepKind } from './params.ts';

/** Rates of one run, per second and in whole numbers; 0 where nothing was observed. */
export interface AxisFigures {
  /**
   * Amount over the time between the root before a step and its own, summed over the steps of the axis. The prover can shift this: who holds a root back
   * until the next step is done makes that step look free and this one slow. The times of all axes add up to the whole, so what one gains another loses.
   */
  observed: AxisRates;
  /** Amount over the time of the whole chain: what the device did at the very least, whatever was shifted. */
  atLeast: AxisRates;
}

/** The figures of a run whose chain is complete; all 0 otherwise. */
export function axisFigures(
  params: ProofParams,
  { rootArrivalsMs }: Pick<ObservedTiming, 'rootArrivalsMs'>,
): AxisFigures {
  const spentMs: AxisRates = { sweptBytes: 0, hops: 0, int8Ops: 0, bf16Ops: 0 };
  const steps = params.pattern.length * params.rounds;
  if (rootArrivalsMs.length !== steps) return { observed: { ...spentMs }, atLeast: { ...spentMs } };
  let before = 0;
  for (const [step, arrivedMs] of rootArrivalsMs.entries()) {
    spentMs[AXIS_OF[stepKind(params, step)]] += arrivedMs - before;
    before = arrivedMs;
  }
  const amounts = chainAmounts(params);
  const ratesOver = (timesMs: (axis: keyof AxisRates) => number): AxisRates => {
    const rate = (axis: keyof AxisRates): number =>
      timesMs(axis) > 0 ? Math.floor((amounts[axis] * 1000) / timesMs(axis)) : 0;
    return { sweptBytes: rate('sweptBytes'), hops: rate('hops'), int8Ops: rate('int8Ops'), bf16Ops: rate('bf16Ops') };
  };
  return { observed: ratesOver((axis) => spentMs[axis]), atLeast: ratesOver(() => before) };
}

/** The observed rates under the names that receipts give them. Times of an incomplete chain, and none at all, give 0. */
export function ratesOf(params: ProofParams, rootArrivalsMs: readonly number[]) {
  const { observed } = axisFigures(params, { rootArrivalsMs: [...rootArrivalsMs] });
  return {
    sweepBytesPerSecond: observed.sweptBytes,
    walkHopsPerSecond: observed.hops,
    int8OpsPerSecond: observed.int8Ops,
    bf16OpsPerSecond: observed.bf16Ops,
  };
}

/** What the class of a run rests on: bytes filled, the time of the whole chain less the network credit, and the work in it. Null for unknown parameters. */
export function runOfClaim(
  claim: Pick<ProofClaim, 'params' | 'figures'>,
): { memoryBytes: number; workMs: number; amounts: AxisRates } | null {
  const params = paramsByName(claim.params);
  if (params === null) return null;
  const { elapsedMs, rttMinMs, memoryBytes } = claim.figures;
  return { memoryBytes, workMs: Math.max(1, elapsedMs - networkCreditMs(rttMinMs)), amounts: chainAmounts(params) };
}
