/**
 * Another draw from a chain that was made and challenged before: the validator's draw, path check and exact digests, without the wire between. What an answer of the chain is
 * worth is worked out once, however often it is drawn.
 */
import {
  answerCount,
  chainValues,
  countWrongAnswers,
  deriveSeed,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  drawSamples,
  type PROOF_FAILURES,
  proofParams,
  type ProverFrame,
  rootOfPath,
  type SampleCounts,
  stepKind,
  toHex,
} from '@celium/proof';
import { openingOf } from './prover.ts';
import type { Onboarding } from './trial.ts';

/** What an opening is worth: whether its path leads to the root, and what the audit counts. */
interface Worth {
  opened: boolean;
  checked: SampleCounts;
  wrong: SampleCounts;
}

/** The values and worths of one chain, once they were needed. */
export interface KnownChain {
  values: Uint8Array[];
  seed: Uint8Array;
  honest: Map<string, { frame: ProverFrame; worth: Worth }>;
}

const PARAMS = proofParams('micro', 'onboarding');

/** The verdict's reason for this audit nonce; every whole challenge is held against it. */
export function redraw(onboarding: Onboarding, auditNonce: Uint8Array): 'none' | keyof typeof PROOF_FAILURES {
  const { strategy, made } = onboarding;
  const known = (onboarding.known ??= knownChain(onboarding));
  const worths: Worth[] = [];
  for (const { step, index } of drawSamples(PARAMS, auditNonce, known.values[known.values.length - 1]!)) {
    const honest = honestWorth(onboarding, known, step, index);
    const frame = strategy.rewrite === undefined ? honest.frame : strategy.rewrite(honest.frame, made.steps);
    if (frame?.type !== 'opening') return 'not-opened';
    worths.push(frame === honest.frame ? honest.worth : worthOf(onboarding, known, frame));
  }
  if (worths.some(({ opened }) => !opened)) return 'bad-path';
  const sum = (of: 'checked' | 'wrong', name: keyof SampleCounts): number =>
    worths.reduce((total, worth) => total + worth[of][name], 0);
  const wrong = { tiles: sum('wrong', 'tiles'), leaves: sum('wrong', 'leaves'), walks: sum('wrong', 'walks') };
  const all = sum('checked', 'tiles') + sum('checked', 'leaves') + sum('checked', 'walks');
  const found = wrong.tiles + wrong.leaves + wrong.walks;
  if (found === 0) return 'none';
  if (found === all) return 'wrong-seed';
  return wrong.leaves + wrong.walks > 0 ? 'memory-short' : 'skipped-work';
}

function knownChain({ binding, nonce, startNonce, made }: Onboarding): KnownChain {
  const seed = deriveSeed(nonce, binding);
  return { seed, values: chainValues(seed, startNonce, made.roots), honest: new Map() };
}

function honestWorth(onboarding: Onboarding, known: KnownChain, step: number, index: number) {
  const key = `${step}/${index}`;
  const found = known.honest.get(key);
  if (found !== undefined) return found;
  const frame = openingOf(onboarding.made.steps[step]!, step, index);
  const made = { frame, worth: worthOf(onboarding, known, frame) };
  known.honest.set(key, made);
  return made;
}

type Opening = Extract<ProverFrame, { type: 'opening' }>;

function worthOf({ made, kernels }: Onboarding, { seed, values }: KnownChain, frame: Opening): Worth {
  const { step, index, digests, path } = frame;
  const kind = stepKind(PARAMS, step);
  const leaves = answerCount(PARAMS, kind) / DIGESTS_PER_MERKLE_LEAF;
  const root = rootOfPath(digests, Math.floor(index / DIGESTS_PER_MERKLE_LEAF), leaves, path);
  const from = (index % DIGESTS_PER_MERKLE_LEAF) * DIGEST_BYTES;
  const answer = { kind, index, q: values[step]!, claimed: digests.slice(from, from + DIGEST_BYTES) };
  const opened = root !== null && toHex(root) === toHex(made.roots[step]!);
  return { opened, ...countWrongAnswers([answer], kernels(PARAMS, seed)) };
}
