/**
 * The draw at the sizes of real GPUs: the validator's own draw over all answers of a full chain, against cheats of which only the positions of their wrong answers exist. It
 * shows that the sample counts of every class are enough; what a wrong answer is, and that it is found, the content families show.
 */
import {
  answerCount,
  drawSamples,
  type ProofParams,
  proofParams,
  type Purpose,
  PURPOSES,
  SIZE_CLASSES,
  type SizeClass,
  stepKind,
} from '@celium/proof';
import {
  addTallies,
  type AttackFamily,
  type AttackRow,
  composeRow,
  type DetectionTarget,
  emptyTally,
  type Tally,
} from '../family.ts';
import { randomStream } from '../random.ts';
import type { RunTries } from '../threads.ts';
import { costOfProof } from '../timing/gpu-cost.ts';

const FULL_TRIES = 40_000;
const QUICK_TRIES = 200;

const GPU_CLASSES: readonly SizeClass[] = SIZE_CLASSES.filter((name) => name.startsWith('gpu'));

type Axis = 'tile' | 'leaf' | 'walk';

interface Cheat {
  attack: string;
  purpose: Purpose;
  targeted: boolean;
  note?: string;
  /** The share of wrong answers among those of an axis. */
  wrong(axis: Axis, params: ProofParams): number;
}

const only =
  (axis: Axis, share: number): Cheat['wrong'] =>
  (drawn) =>
    drawn === axis ? share : 0;

/** Whoever lacks memory and makes nothing again: leaves, walks that meet a missing cell, and tiles one of whose rows needs one. */
function shortOf(share: number): Cheat['wrong'] {
  return (axis, params) => {
    if (axis === 'leaf') return share;
    const cells = axis === 'walk' ? params.hopsPerWalk : 128 * Math.ceil(params.productDepth / params.segmentBytes);
    return 1 - (1 - share) ** cells;
  };
}

const CHEATS: readonly Cheat[] = [
  { attack: 'skips 2 % of tiles', purpose: 'onboarding', targeted: false, wrong: only('tile', 0.02) },
  { attack: 'skips 5 % of tiles', purpose: 'onboarding', targeted: false, wrong: only('tile', 0.05) },
  { attack: 'skips 10 % of tiles', purpose: 'onboarding', targeted: true, wrong: only('tile', 0.1) },
  { attack: 'skips 20 % of tiles', purpose: 'onboarding', targeted: true, wrong: only('tile', 0.2) },
  { attack: 'skips 10 % of sweep leaves', purpose: 'onboarding', targeted: true, wrong: only('leaf', 0.1) },
  { attack: 'skips 10 % of walks', purpose: 'onboarding', targeted: true, wrong: only('walk', 0.1) },
  {
    attack: '5 % of the memory missing, nothing made again',
    purpose: 'onboarding',
    targeted: true,
    wrong: shortOf(0.05),
  },
  {
    attack: '5 % of the memory missing, made again but for sweeps',
    purpose: 'onboarding',
    targeted: false,
    note: 'the draw alone; making cells again for the walks is what makes it late: see missing-memory',
    wrong: only('leaf', 0.05),
  },
  {
    attack: 'skips 10 % of tiles in one routine check',
    purpose: 'routine',
    targeted: false,
    note: 'only onboarding claims 99.9 %; routine checks come every 60 to 120 minutes',
    wrong: only('tile', 0.1),
  },
];

const SEPARATOR = ' @ ';

/** Where the wrong answers lie does not matter to a uniform draw: the last ones of each step are wrong. */
function isCaught(cheat: Cheat, params: ProofParams, nonce: Uint8Array, last: Uint8Array): boolean {
  return drawSamples(params, nonce, last).some(({ step, index }) => {
    const kind = stepKind(params, step);
    const axis: Axis = kind === 'sweep' ? 'leaf' : kind === 'walk' ? 'walk' : 'tile';
    const right = answerCount(params, kind) * (1 - cheat.wrong(axis, params));
    return index >= right;
  });
}

export const runTries: RunTries = async ({ attack, from, to, seed }) => {
  const [name, sizeClass] = attack.split(SEPARATOR);
  const cost = PURPOSES.find((purpose) => `cost ${purpose}` === name);
  if (cost !== undefined) return costOfProof(proofParams(sizeClass as SizeClass, cost));
  const cheat = CHEATS.find((known) => known.attack === name);
  if (cheat === undefined) throw new Error(`no attack ${attack}`);
  const params = proofParams(sizeClass as SizeClass, cheat.purpose);
  const tally = emptyTally();
  for (let number = from; number < to; number++) {
    const random = randomStream('sampling', attack, seed, number);
    tally.tries += 1;
    if (isCaught(cheat, params, random.bytes(32), random.bytes(32))) tally.detected += 1;
  }
  return tally;
};

export const family: AttackFamily = {
  name: 'sampling',
  run: 'content',
  inQuick: true,
  async play({ quick, seed, threads, progress }) {
    const classes = quick ? GPU_CLASSES.slice(0, 1) : GPU_CLASSES;
    const rows: AttackRow[] = [];
    const costs = new Map<string, Tally>();
    const costOf = async (purpose: Purpose, sizeClass: SizeClass): Promise<Tally> => {
      const name = `cost ${purpose}${SEPARATOR}${sizeClass}`;
      const known = costs.get(name) ?? (await threads.run(new URL(import.meta.url), name, 1, seed));
      costs.set(name, known);
      return known;
    };
    for (const cheat of CHEATS) {
      let worst: { tally: Tally; sizeClass: SizeClass } | null = null;
      for (const sizeClass of classes) {
        const name = cheat.attack + SEPARATOR + sizeClass;
        const tally = await threads.run(new URL(import.meta.url), name, quick ? QUICK_TRIES : FULL_TRIES, seed);
        if (worst === null || tally.detected < worst.tally.detected) worst = { tally, sizeClass };
      }
      if (worst === null) throw new Error('there is no class for GPUs');
      rows.push(
        rowOf(cheat, addTallies(worst.tally, await costOf(cheat.purpose, worst.sizeClass)), worst.sizeClass, quick),
      );
      progress(`  ${cheat.attack}: ${worst.tally.detected} of ${worst.tally.tries} on ${worst.sizeClass}`);
    }
    return { rows, notRun: [] };
  },
};

function rowOf(
  { attack, purpose, targeted, note }: Cheat,
  tally: Tally,
  sizeClass: SizeClass,
  quick: boolean,
): AttackRow {
  const { tiles, leaves, walks } = proofParams(sizeClass, purpose).audit;
  const target: DetectionTarget | null = targeted ? { of: 'rate', atLeast: quick ? 0.98 : 0.999 } : null;
  const drawn = `of all GPU classes the one where it is caught least: ${sizeClass} with ${tiles} tiles, ${leaves} leaves, ${walks} walks`;
  const head = { family: 'sampling', attack, run: 'content', target, honestTarget: null, simulated: true } as const;
  // A draw over right answers finds nothing wrong: there is nothing to count beside it.
  return composeRow({ ...head, note: note === undefined ? drawn : `${note}; ${drawn}` }, tally, emptyTally());
}
