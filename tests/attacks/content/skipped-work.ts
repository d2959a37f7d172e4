/** Provers that leave out part of the work and commit to inventions in its place: tiles of products, leaves of sweeps, walks, ends of walks. */
import { DIGEST_BYTES, type StepKind } from '@celium/proof';
import { byStrategy, contentFamily, type ContentAttack } from './content-family.ts';
import { type ResidentDevice, residentDevice } from './device.ts';
import type { Strategy } from './prover.ts';
import { skippedOf } from './share.ts';

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

const BELOW = 'below what one onboarding claims: reported as it is';

function skips(what: string, kinds: readonly StepKind[], share: number, targeted: boolean): ContentAttack {
  const name = `skips ${share * 100} % of ${what}`;
  return byStrategy(name, targeted, () => skip(kinds, share), targeted ? undefined : BELOW);
}

/** Walks that end after half of their hops: the state at that point is answered. */
function shortWalks(): Strategy {
  let half: ResidentDevice | null = null;
  return {
    answer({ device, sizes, kind, q }) {
      if (kind !== 'walk') return device.digests(kind, q);
      half ??= residentDevice({ ...sizes, hopsPerWalk: sizes.hopsPerWalk / 2 });
      half.cells.set(device.cells);
      return half.digests(kind, q);
    },
  };
}

export const { family, runTries } = contentFamily('skipped-work', import.meta.url, [
  skips('tiles', TILES, 0.02, false),
  skips('tiles', TILES, 0.05, false),
  skips('tiles', TILES, 0.1, true),
  skips('tiles', TILES, 0.2, true),
  skips('INT8 tiles alone', ['int8'], 0.1, true),
  skips('BF16 tiles alone', ['bf16'], 0.1, true),
  skips('sweep leaves', ['sweep'], 0.1, true),
  skips('walks', ['walk'], 0.1, true),
  skips('walks', ['walk'], 0.5, true),
  byStrategy('ends all walks after half of their hops', true, shortWalks),
]);
