/** Provers that leave out part of the work and commit to inventions in its place: tiles of products, leaves of sweeps, walks, ends of walks. */
import { answerCount, DIGEST_BYTES, type StepKind } from '@celium/proof';
import type { RandomStream } from '../random.ts';
import { contentFamily, type ContentAttack } from './content-family.ts';
import type { StepAtHand, Strategy } from './prover.ts';
import { contentTry } from './trial.ts';

const TILES: readonly StepKind[] = ['int8', 'bf16'];

/** Replaces each answer of these kinds with probability `share`: over a whole chain that many are missing. */
function skip(kinds: readonly StepKind[], share: number): Strategy {
  return {
    answer(at) {
      const digests = at.device.digests(at.kind, at.q);
      if (!kinds.includes(at.kind)) return digests;
      for (const index of skippedOf(at, share)) digests.set(at.random.bytes(DIGEST_BYTES), index * DIGEST_BYTES);
      return digests;
    },
  };
}

/** Exactly the share of a step's answers on average: the fraction that is left over is skipped by lot. */
function skippedOf({ sizes, kind, random }: StepAtHand, share: number): number[] {
  const count = answerCount(sizes, kind);
  const wanted = Math.floor(count * share + random.unit());
  return pick(count, wanted, random);
}

/** `wanted` different numbers below `count`. */
function pick(count: number, wanted: number, random: RandomStream): number[] {
  const all = Array.from({ length: count }, (_, index) => index);
  for (let i = 0; i < wanted; i++) {
    const other = i + random.below(count - i);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.slice(0, wanted);
}

function attackOf(what: string, kinds: readonly StepKind[], share: number, targeted: boolean): ContentAttack {
  return {
    attack: `skips ${share * 100} % of ${what}`,
    targeted,
    note: targeted ? '' : 'below what one onboarding claims; reported as it is',
    one: (random) => contentTry(skip(kinds, share), random),
  };
}

export const { family, runTries } = contentFamily('skipped-work', import.meta.url, [
  attackOf('tiles', TILES, 0.02, false),
  attackOf('tiles', TILES, 0.05, false),
  attackOf('tiles', TILES, 0.1, true),
  attackOf('tiles', TILES, 0.2, true),
  attackOf('sweep leaves', ['sweep'], 0.1, true),
  attackOf('walks', ['walk'], 0.5, true),
]);
