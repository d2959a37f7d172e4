/** The exact audit: repeats the draw, checks every path, recomputes every sampled answer. Pure; slow enough to belong in a worker thread. */
import { equalBytes, ownHex } from './bytes.ts';
import { chainValues, deriveSeed } from './chain.ts';
import type { AuditOutcome, Opening, ProofTranscript, SampleCounts } from './contracts.ts';
import { drawSamples } from './draw.ts';
import { failure, type ProofFailure } from './failures.ts';
import type { AuditKernels } from './kernels.ts';
import { rootOfPath } from './merkle.ts';
import {
  answerCount,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  paramsByName,
  type ProofParams,
  stepCount,
  stepKind,
  type StepKind,
} from './params.ts';
import { isProofTranscript } from './transcript.ts';
import { wasmKernels } from './wasm-kernels.ts';

/** Makes the kernels for one seed: WASM by default, plain JavaScript as oracle and floor. */
export type KernelFactory = (params: ProofParams, seed: Uint8Array) => AuditKernels;

/** One sampled answer with all that is needed to recompute it: `q` is the chain value at its step, `claimed` its 8-byte digest. */
export interface SampledAnswer {
  kind: StepKind;
  index: number;
  q: Uint8Array;
  claimed: Uint8Array;
}

const NOTHING: SampleCounts = { tiles: 0, leaves: 0, walks: 0 };

/**
 * Recomputes all samples of a transcript. Never throws for what a transcript holds. All samples are looked at even after a wrong one,
 * because their pattern tells skipped work from short memory from a foreign seed.
 */
export function auditTranscript(transcript: ProofTranscript, makeKernels: KernelFactory = wasmKernels): AuditOutcome {
  if (!isProofTranscript(transcript)) return refuse(failure('malformed', 'not a transcript'));
  const params = paramsByName(transcript.params);
  if (params === null) return refuse(failure('wrong-parameters'));
  const seed = deriveSeed(ownHex(transcript.nonce), transcript.binding);
  const opened = openedAnswers(params, seed, transcript);
  if (!opened.ok) return refuse(opened.failure);
  const { checked, wrong } = countWrongAnswers(opened.answers, makeKernels(params, seed));
  const found = explain(checked, wrong);
  return { ok: found === null, failure: found, checked, wrong };
}

function refuse(reason: ProofFailure): AuditOutcome {
  return { ok: false, failure: reason, checked: { ...NOTHING }, wrong: { ...NOTHING } };
}

type OpenedAnswers = { ok: true; answers: SampledAnswer[] } | { ok: false; failure: ProofFailure };

/** Repeats the draw and checks that each sample is opened under the root that its step sent. */
function openedAnswers(params: ProofParams, seed: Uint8Array, transcript: ProofTranscript): OpenedAnswers {
  const { startNonce, auditNonce, openings } = transcript;
  if (transcript.roots.length !== stepCount(params) || startNonce === '' || auditNonce === '') {
    const seen = `${transcript.roots.length} of ${stepCount(params)} roots`;
    return { ok: false, failure: failure('incomplete-transcript', seen) };
  }
  const roots = transcript.roots.map(ownHex);
  const values = chainValues(seed, ownHex(startNonce), roots);
  const samples = drawSamples(params, ownHex(auditNonce), values[values.length - 1]!);
  if (openings.length !== samples.length) {
    const seen = `${openings.length} of ${samples.length} openings`;
    return { ok: false, failure: failure('incomplete-transcript', seen) };
  }
  const answers: SampledAnswer[] = [];
  for (const [i, { step, index }] of samples.entries()) {
    const opening = openings[i]!;
    if (opening.step !== step || opening.index !== index) {
      return { ok: false, failure: failure('incomplete-transcript', `opening ${i} is not the sample that was drawn`) };
    }
    const kind = stepKind(params, step);
    const claimed = openedDigest(opening, answerCount(params, kind), roots[step]!);
    if (claimed === null) return { ok: false, failure: failure('bad-path', `answer ${index} of step ${step}`) };
    answers.push({ kind, index, q: values[step]!, claimed });
  }
  return { ok: true, answers };
}

/** The 8-byte digest that an opening proves under its step's root; null when it proves nothing. */
export function openedDigest(opening: Opening, answers: number, root: Uint8Array): Uint8Array | null {
  const digests = ownHex(opening.digests);
  const leaves = Math.ceil(answers / DIGESTS_PER_MERKLE_LEAF);
  const leaf = Math.floor(opening.index / DIGESTS_PER_MERKLE_LEAF);
  const reached = rootOfPath(digests, leaf, leaves, ownHex(opening.path));
  if (reached === null || !equalBytes(reached, root)) return null;
  const from = (opening.index % DIGESTS_PER_MERKLE_LEAF) * DIGEST_BYTES;
  return digests.slice(from, from + DIGEST_BYTES);
}

/** Recomputes every answer and counts those that differ from what was claimed: nearly all of an audit's cost. */
export function countWrongAnswers(
  answers: readonly SampledAnswer[],
  kernels: AuditKernels,
): { checked: SampleCounts; wrong: SampleCounts } {
  const checked = { ...NOTHING };
  const wrong = { ...NOTHING };
  const walks = answers.filter(({ kind }) => kind === 'walk');
  const digests = kernels.walkDigests(walks.map(({ q, index }) => ({ q, walk: index })));
  for (const [i, { claimed }] of walks.entries()) {
    checked.walks += 1;
    if (!equalBytes(digests[i]!, claimed)) wrong.walks += 1;
  }
  for (const { kind, index, q, claimed } of answers) {
    if (kind === 'walk') continue;
    const family = kind === 'sweep' ? 'leaves' : 'tiles';
    const exact = kind === 'sweep' ? kernels.leafDigest(q, index) : kernels.tileDigest(kind, q, index);
    checked[family] += 1;
    if (!equalBytes(exact, claimed)) wrong[family] += 1;
  }
  return { checked, wrong };
}

/** What the pattern of wrong answers says; null when there is none. */
function explain(checked: SampleCounts, wrong: SampleCounts): ProofFailure | null {
  const seen = `wrong are ${wrong.tiles} of ${checked.tiles} tiles, ${wrong.leaves} of ${checked.leaves} leaves, ${wrong.walks} of ${checked.walks} walks`;
  if (wrong.tiles + wrong.leaves + wrong.walks === 0) return null;
  const all = wrong.tiles === checked.tiles && wrong.leaves === checked.leaves && wrong.walks === checked.walks;
  if (all) return failure('wrong-seed', seen);
  return failure(wrong.leaves + wrong.walks > 0 ? 'memory-short' : 'skipped-work', seen);
}
