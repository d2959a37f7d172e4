/** The audit's samples: a pure function of the parameters, the fresh audit nonce and the last chain value, so anyone can repeat the draw. */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, readU32, u32Bytes, utf8 } from './bytes.ts';
import { answerCount, type ProofParams, stepCount, stepKind, type StepKind } from './params.ts';

const DRAW_DOMAIN = 'celium/cgp1/draw';

/** One sampled answer: the step that committed to it and its number there. */
export interface Sample {
  step: number;
  index: number;
}

/** Uniform numbers below a bound, from SHA-256 in counter mode, by rejection. */
export function uniformNumbers(key: Uint8Array): (bound: number) => number {
  let block = new Uint8Array(0);
  let counter = 0;
  let at = 0;
  const nextWord = (): number => {
    if (at + 4 > block.length) {
      block = sha256(concatBytes(key, u32Bytes(counter)));
      counter += 1;
      at = 0;
    }
    at += 4;
    return readU32(block, at - 4);
  };
  return (bound) => {
    if (bound > 2 ** 52 || bound < 1) throw new RangeError('the draw is over 1 to 2^52 answers');
    const limit = 2 ** 52 - (2 ** 52 % bound);
    for (;;) {
      const value = nextWord() * 2 ** 20 + (nextWord() >>> 12);
      if (value < limit) return value % bound;
    }
  };
}

/** Steps of the chain of one kind, in order. */
function stepsOf(params: ProofParams, kind: StepKind): number[] {
  return Array.from({ length: stepCount(params) }, (_, step) => step).filter((step) => stepKind(params, step) === kind);
}

/** How many samples each kind gets. Those of tiles are shared evenly by the kinds of products in the chain, so that skipping one kind alone stays dear. */
function samplesOfKinds({ pattern, audit }: ProofParams): [StepKind, number][] {
  const products = (['int8', 'bf16'] as const).filter((kind) => pattern.includes(kind));
  return [
    ...products.map((kind, at): [StepKind, number] => [
      kind,
      Math.floor(audit.tiles / products.length) + (at < audit.tiles % products.length ? 1 : 0),
    ]),
    ['sweep', audit.leaves],
    ['walk', audit.walks],
  ];
}

/**
 * Draws tiles of INT8 products, of BF16 products, then leaves, then walks: each sample independent and uniform over all answers of its kind in
 * the whole chain, without repetition. At most as many as there are answers.
 */
export function drawSamples(params: ProofParams, auditNonce: Uint8Array, lastValue: Uint8Array): Sample[] {
  const uniform = uniformNumbers(sha256(concatBytes(utf8(DRAW_DOMAIN), auditNonce, lastValue)));
  const samples: Sample[] = [];
  for (const [kind, wanted] of samplesOfKinds(params)) {
    const steps = stepsOf(params, kind);
    if (steps.length === 0) continue;
    const perStep = answerCount(params, kind);
    const total = steps.length * perStep;
    const seen = new Set<number>();
    while (seen.size < Math.min(wanted, total)) {
      const answer = uniform(total);
      if (seen.has(answer)) continue;
      seen.add(answer);
      samples.push({ step: steps[Math.floor(answer / perStep)]!, index: answer % perStep });
    }
  }
  return samples;
}
