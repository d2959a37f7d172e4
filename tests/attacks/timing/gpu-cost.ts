/** What one proof costs the validator at full size: the audit of all samples in this process's CPU time, and the bytes of roots and openings. */
import {
  answerCount,
  countWrongAnswers,
  DIGESTS_PER_MERKLE_LEAF,
  drawSamples,
  encodeLine,
  encodeProverFrame,
  pathLength,
  type ProofParams,
  type ProverFrame,
  stepCount,
  stepKind,
  wasmKernels,
} from '@celium/proof';
import { emptyTally, type Tally } from '../family.ts';
import { randomStream } from '../random.ts';

/** The cost of one unit as a tally without tries. */
export function costOfProof(params: ProofParams): Tally {
  const random = randomStream('cost', params.sizeClass);
  const samples = drawSamples(params, random.bytes(32), random.bytes(32));
  const answers = samples.map(({ step, index }) => {
    return { kind: stepKind(params, step), index, q: random.bytes(32), claimed: new Uint8Array(8) };
  });
  const kernels = wasmKernels(params, random.bytes(32));
  const before = process.threadCpuUsage();
  countWrongAnswers(answers, kernels);
  const { user, system } = process.threadCpuUsage(before);
  let proofBytes = stepCount(params) * lineBytes({ type: 'root', step: 0, root: new Uint8Array(32) });
  for (const { step, index } of samples) {
    const leaves = Math.ceil(answerCount(params, stepKind(params, step)) / DIGESTS_PER_MERKLE_LEAF);
    const path = new Uint8Array(32 * pathLength(Math.floor(index / DIGESTS_PER_MERKLE_LEAF), leaves));
    proofBytes += lineBytes({ type: 'opening', step, index, digests: new Uint8Array(64), path });
  }
  return { ...emptyTally(), units: 1, validatorCpuSeconds: (user + system) / 1e6, proofBytes };
}

function lineBytes(frame: ProverFrame): number {
  return encodeLine('prover', encodeProverFrame(frame)).length;
}
