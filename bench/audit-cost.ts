/**
 * What an audit costs the validator at the sizes of every GPU class (operand binding and walks included), in CPU-seconds of one core; for one class
 * beside the same audit in plain JavaScript in the same run. Nothing is shared between samples: each tile is drawn on its own.
 */
import { randomBytes } from 'node:crypto';
import {
  answerCount,
  type AuditKernels,
  chainValues,
  countWrongAnswers,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  drawSamples,
  encodeLine,
  encodeProverFrame,
  HASH_BYTES,
  isGpuClass,
  pathLength,
  plainKernels,
  proofParams,
  type ProofParams,
  type ProverFrame,
  type Purpose,
  rootOfPath,
  type Sample,
  type SampledAnswer,
  SIZE_CLASSES,
  type SizeClass,
  stepCount,
  stepKind,
  wasmKernels,
} from '@celium/proof';
import { type Figure, roundFigure } from '../tools/figures.ts';
import { median } from './statistics.ts';

/** The purposes whose audits differ. */
const PURPOSES = ['onboarding', 'routine'] as const satisfies readonly Purpose[];
type MeasuredPurpose = (typeof PURPOSES)[number];

/** The class that is compared with plain JavaScript; the others only in WASM. */
const COMPARED_CLASS: SizeClass = 'gpu-hopper';

/** Targets of the design page, in CPU-seconds. */
const TARGET_CPU_S: Record<MeasuredPurpose, number> = { onboarding: 2.6, routine: 0.4 };
const TARGET_RATIO = 8;
const TARGET_PROOF_BYTES = 200_000;

/**
 * Whole WASM audits per purpose; their median counts. After audit r the samples r, r + 4, r + 8, ... run in plain JavaScript, so
 * that at the end each sample ran there once and both sides met the same disturbances.
 */
const AUDITS = 4;

/** One audit's input at full size. Claims and paths are random bytes: every sample is recomputed whether it is right or not, so the cost is an honest prover's. */
interface AuditInput {
  params: ProofParams;
  seed: Uint8Array;
  startNonce: Uint8Array;
  auditNonce: Uint8Array;
  roots: Uint8Array[];
  paths: Uint8Array[];
}

function makeInput(sizeClass: SizeClass, purpose: Purpose): AuditInput {
  const params = proofParams(sizeClass, purpose);
  const roots = Array.from({ length: stepCount(params) }, () => randomBytes(HASH_BYTES));
  const input = { params, seed: randomBytes(32), startNonce: randomBytes(32), auditNonce: randomBytes(32), roots };
  const paths = samplesOf({ ...input, paths: [] }).map(({ step, index }) => {
    const { leaf, leaves } = merklePlace(params, step, index);
    return randomBytes(pathLength(leaf, leaves) * HASH_BYTES);
  });
  return { ...input, paths };
}

function samplesOf({ params, seed, startNonce, auditNonce, roots }: AuditInput): (Sample & { q: Uint8Array })[] {
  const values = chainValues(seed, startNonce, roots);
  return drawSamples(params, auditNonce, values.at(-1)!).map((sample) => ({ ...sample, q: values[sample.step]! }));
}

function merklePlace(params: ProofParams, step: number, index: number): { leaf: number; leaves: number } {
  const answers = answerCount(params, stepKind(params, step));
  return {
    leaf: Math.floor(index / DIGESTS_PER_MERKLE_LEAF),
    leaves: Math.ceil(answers / DIGESTS_PER_MERKLE_LEAF),
  };
}

/** Which samples a run looks at: every `every`-th from `first` on. */
interface Slice {
  first: number;
  every: number;
}

const ALL: Slice = { first: 0, every: 1 };

/** Everything an audit does: chain values, draw, Merkle paths, and every sample of the slice recomputed. */
function audit(input: AuditInput, kernels: AuditKernels, { first, every }: Slice, claims: readonly Uint8Array[] = []) {
  const { params, paths } = input;
  const answers: SampledAnswer[] = [];
  for (const [i, { step, index, q }] of samplesOf(input).entries()) {
    if (i % every !== first) continue;
    const { leaf, leaves } = merklePlace(params, step, index);
    rootOfPath(OPENED, leaf, leaves, paths[i]!);
    answers.push({ kind: stepKind(params, step), index, q, claimed: claims[i] ?? NO_CLAIM });
  }
  return countWrongAnswers(answers, kernels);
}

const OPENED = new Uint8Array(DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF);
const NO_CLAIM = new Uint8Array(0);

/** CPU-seconds of this process during `work`, user and system, all threads. */
function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The exact digests of the samples of a slice, at their places. */
function exactDigests(input: AuditInput, kernels: AuditKernels, { first, every }: Slice): Uint8Array[] {
  const digests: Uint8Array[] = [];
  for (const [i, { step, index, q }] of samplesOf(input).entries()) {
    if (i % every !== first) continue;
    const kind = stepKind(input.params, step);
    if (kind === 'sweep') digests[i] = kernels.leafDigest(q, index);
    else if (kind === 'walk') digests[i] = kernels.walkDigests([{ q, walk: index }])[0]!;
    else digests[i] = kernels.tileDigest(kind, q, index);
  }
  return digests;
}

interface Measured {
  wasmCpuS: number;
  plainCpuS: number;
  /** Samples that were compared, and those on which plain JavaScript and WASM gave different digests. */
  compared: number;
  disagreements: number;
  proofBytes: number;
}

/** The cost of an audit of one class in WASM alone: the median of three after a first that warms up. */
function measureWasm(sizeClass: SizeClass, purpose: Purpose): { wasmCpuS: number; proofBytes: number } {
  const input = makeInput(sizeClass, purpose);
  const wasm = wasmKernels(input.params, input.seed);
  audit(input, wasm, { first: 0, every: 16 });
  const times = Array.from({ length: 3 }, () => cpuSeconds(() => void audit(input, wasm, ALL)));
  return { wasmCpuS: median(times), proofBytes: proofBytes(input) };
}

function measure(purpose: Purpose, progress: (line: string) => void): Measured {
  const input = makeInput(COMPARED_CLASS, purpose);
  const { params, seed } = input;
  const plain = plainKernels(params, seed);
  const wasm = wasmKernels(params, seed);
  const checkSlice: Slice = { first: 0, every: 16 };
  const { checked, wrong } = audit(input, wasm, checkSlice, exactDigests(input, plain, checkSlice));
  audit(input, wasm, ALL);
  const times: number[] = [];
  let plainCpuS = 0;
  for (let run = 0; run < AUDITS; run++) {
    times.push(cpuSeconds(() => void audit(input, wasm, ALL)));
    plainCpuS += cpuSeconds(() => void audit(input, plain, { first: run, every: AUDITS }));
    progress(`${purpose} ${run + 1}/${AUDITS}: WASM ${roundFigure(times[run]!)} CPU-s for the whole audit`);
  }
  return {
    wasmCpuS: median(times),
    plainCpuS,
    compared: checked.tiles + checked.leaves + checked.walks,
    disagreements: wrong.tiles + wrong.leaves + wrong.walks,
    proofBytes: proofBytes(input),
  };
}

/** Bytes that a prover sends for one proof: a line per root and per opening. */
function proofBytes({ roots, paths }: AuditInput): number {
  let bytes = 0;
  for (const [step, root] of roots.entries()) bytes += lineBytes({ type: 'root', step, root });
  for (const path of paths) bytes += lineBytes({ type: 'opening', step: 0, index: 0, digests: OPENED, path });
  return bytes;
}

function lineBytes(frame: ProverFrame): number {
  return encodeLine('prover', encodeProverFrame(frame)).length;
}

/** Measures; about a minute. */
export function measureAuditCosts(progress: (line: string) => void): Record<string, Figure> {
  const figures: Record<string, Figure> = {};
  for (const purpose of PURPOSES) {
    const measured = measure(purpose, progress);
    noteCosts(figures, COMPARED_CLASS, purpose, measured);
    const ratio = roundFigure(measured.plainCpuS / measured.wasmCpuS);
    figures[`times faster than plain JavaScript, ${COMPARED_CLASS}, ${purpose}`] = {
      value: ratio,
      unit: 'ratio',
      target: { atLeast: TARGET_RATIO },
      floor: roundFigure(measured.plainCpuS),
    };
    figures[`samples where plain JavaScript disagrees, ${purpose} (of ${measured.compared} compared)`] = {
      value: measured.disagreements,
      unit: 'count',
      target: { equals: 0 },
    };
    for (const sizeClass of SIZE_CLASSES.filter((one) => isGpuClass(one) && one !== COMPARED_CLASS)) {
      const cost = measureWasm(sizeClass, purpose);
      progress(`${sizeClass}, ${purpose}: ${roundFigure(cost.wasmCpuS)} CPU-s`);
      noteCosts(figures, sizeClass, purpose, cost);
    }
  }
  figures['WASM audits per median'] = { value: AUDITS, unit: 'count', target: null };
  return figures;
}

/** The two costs that have a target, for one class and purpose. */
function noteCosts(
  figures: Record<string, Figure>,
  sizeClass: SizeClass,
  purpose: MeasuredPurpose,
  { wasmCpuS, proofBytes: bytes }: { wasmCpuS: number; proofBytes: number },
): void {
  const { audit: samples, fillIterations } = proofParams(sizeClass, purpose);
  const what = `${samples.tiles} tiles, ${samples.leaves} leaves, ${samples.walks} walks, R ${fillIterations}`;
  figures[`audit CPU-seconds, ${sizeClass}, ${purpose} (${what})`] = {
    value: roundFigure(wasmCpuS),
    unit: 'cpu-s',
    target: { atMost: TARGET_CPU_S[purpose] },
  };
  figures[`proof bytes per unit, ${sizeClass}, ${purpose}`] = {
    value: bytes,
    unit: 'bytes',
    target: { atMost: TARGET_PROOF_BYTES },
  };
}
