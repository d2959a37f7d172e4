/** Provers that play with what they committed to: other openings than the draw asks for, trees with tricks in them, roots ground to steer the draw, giving up when unlucky. */
import {
  buildTree,
  DIGEST_BYTES,
  DIGESTS_PER_MERKLE_LEAF,
  drawSamples,
  merklePath,
  nextChainValue,
  proofParams,
  type ProverFrame,
} from '@celium/proof';
import { byStrategy, contentFamily } from './content-family.ts';
import type { CommittedStep, StepAtHand, Strategy } from './prover.ts';
import { skippedOf } from './share.ts';

const LEAF_BYTES = DIGEST_BYTES * DIGESTS_PER_MERKLE_LEAF;

/** Digests of a step, of whose product tiles a tenth is made up, and which those are. */
function tenthMissing(at: StepAtHand): { digests: Uint8Array; missing: Set<number> } {
  const digests = at.device.digests(at.kind, at.q);
  const isProduct = at.kind === 'int8' || at.kind === 'bf16';
  const missing = new Set(isProduct ? skippedOf(at, 0.1) : []);
  for (const index of missing) digests.set(at.random.bytes(DIGEST_BYTES), index * DIGEST_BYTES);
  return { digests, missing };
}

type Opening = Extract<ProverFrame, { type: 'opening' }>;

/** Skips a tenth of the tiles and, where the draw hits one of them, sends what `instead` makes of the honest opening. */
function skipsAnd(instead: (opening: Opening, steps: readonly CommittedStep[]) => Opening | null): Strategy {
  const missing = new Map<number, Set<number>>();
  return {
    answer(at) {
      const made = tenthMissing(at);
      missing.set(at.step, made.missing);
      return made.digests;
    },
    rewrite: (frame, steps) =>
      frame.type === 'opening' && missing.get(frame.step)?.has(frame.index) ? instead(frame, steps) : frame,
  };
}

/** Shows the leaf of a tile that was really computed, at the place of the one that was asked for. */
function openNeighbour(opening: Opening, steps: readonly CommittedStep[]): Opening {
  const { digests, tree } = steps[opening.step]!;
  const leaf = (Math.floor(opening.index / DIGESTS_PER_MERKLE_LEAF) + 1) % (digests.length / LEAF_BYTES);
  return {
    ...opening,
    digests: digests.slice(leaf * LEAF_BYTES, (leaf + 1) * LEAF_BYTES),
    path: merklePath(tree, leaf),
  };
}

/** Shows two inner nodes as if they were the 64 bytes of a leaf, with the shorter path that leads on from there. */
function openInnerNode(opening: Opening, steps: readonly CommittedStep[]): Opening {
  const { tree } = steps[opening.step]!;
  const leaf = Math.floor(opening.index / DIGESTS_PER_MERKLE_LEAF);
  const [left, right] = [tree.levels[0]![leaf - (leaf % 2)]!, tree.levels[0]![leaf - (leaf % 2) + 1]!];
  const digests = new Uint8Array(LEAF_BYTES);
  digests.set(left);
  digests.set(right, left.length);
  return { ...opening, digests, path: merklePath(tree, leaf).slice(left.length) };
}

/** Pads the path of the inner node to the length that is asked for. */
function openPadded(opening: Opening, steps: readonly CommittedStep[]): Opening {
  const inner = openInnerNode(opening, steps);
  const path = new Uint8Array(opening.path.length);
  path.set(inner.path, path.length - inner.path.length);
  return { ...inner, path };
}

/** Half of each product's tiles are computed; the tree has them twice, so that both halves share nodes. */
function duplicated(): Strategy {
  return {
    answer({ device, kind, q }) {
      const digests = device.digests(kind, q);
      if (kind === 'int8' || kind === 'bf16') digests.copyWithin(digests.length / 2, 0, digests.length / 2);
      return digests;
    },
  };
}

/** Commits to nothing of a kind: roots of trees over noise, so that everything is decided by what the draw asks for. */
function garbage(): Strategy {
  return {
    answer({ device, kind, q, random }) {
      const digests = device.digests(kind, q);
      return kind === 'bf16' ? random.bytes(digests.length) : digests;
    },
    rewrite: (frame) => (frame.type === 'opening' && frame.step % 4 === 3 ? null : frame),
  };
}

/** Roots that belong to no tree, of one whole round: 32 random bytes each, and honest openings. */
function looseRoots(): Strategy {
  let round: number | null = null;
  return {
    commit({ tree }, { step, sizes, random }) {
      round ??= random.below(sizes.rounds);
      return Math.floor(step / sizes.pattern.length) === round ? random.bytes(32) : tree.root;
    },
  };
}

const GRIND_TRIES = 64;

/**
 * Skips a tenth of the tiles and grinds the last root: of many last steps it commits to the one whose draw would hit the fewest missing tiles, if the audit nonce were the
 * one that it guesses.
 */
function grinder(): Strategy {
  const missing = new Map<number, Set<number>>();
  const params = proofParams('micro', 'onboarding');
  const guess = new Uint8Array(32);
  return {
    answer(at) {
      const made = tenthMissing(at);
      missing.set(at.step, made.missing);
      if (at.step !== at.sizes.rounds * at.sizes.pattern.length - 1) return made.digests;
      let best = { hits: Number.POSITIVE_INFINITY, digests: made.digests };
      for (let i = 0; i < GRIND_TRIES; i++) {
        const digests = made.digests.slice();
        for (const index of made.missing) digests.set(at.random.bytes(DIGEST_BYTES), index * DIGEST_BYTES);
        const last = nextChainValue(at.q, buildTree(digests).root);
        const hits = drawSamples(params, guess, last).filter(({ step, index }) => missing.get(step)?.has(index)).length;
        if (hits < best.hits) best = { hits, digests };
      }
      return best.digests;
    },
  };
}

export const { family, runTries } = contentFamily('commitments', import.meta.url, [
  byStrategy('skips 10 % of tiles, opens another leaf where one is drawn', true, () => skipsAnd(openNeighbour)),
  byStrategy('skips 10 % of tiles, shows an inner node as a leaf', true, () => skipsAnd(openInnerNode)),
  byStrategy('skips 10 % of tiles, shows an inner node with a padded path', true, () => skipsAnd(openPadded)),
  byStrategy('skips 10 % of tiles, gives up when one is drawn', true, () => skipsAnd(() => null)),
  byStrategy(`skips 10 % of tiles, grinds the last root ${GRIND_TRIES} times against a guessed draw`, true, grinder),
  byStrategy('computes half of the tiles and commits to them twice', true, duplicated),
  byStrategy('commits to noise for one kind of step and does not open it', true, garbage),
  byStrategy('sends roots of no tree for one round of eight', true, looseRoots),
]);
