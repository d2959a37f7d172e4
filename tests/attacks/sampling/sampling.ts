/**
 * The draw at the sizes of real GPUs: the validator's own draw over all answers of a full chain, against cheats of which only the positions of their wrong answers exist. It
 * shows that the sample counts of every class are enough; what a wrong answer is, and that it is found, the content families show.
 */
import {
  answerCount,
  AXIS_OF,
  chainAmounts,
  chainSecondsAt,
  drawSamples,
  type ProofParams,
  proofParams,
  type Purpose,
  type Sample,
  SIZE_CLASSES,
  type SizeClass,
  SIZES,
  stepKind,
  type StepKind,
} from '@celium/proof';
import {
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

const TILES: readonly StepKind[] = ['int8', 'bf16'];

interface Cheat {
  attack: string;
  purpose: Purpose;
  targeted: boolean;
  note?: string;
  /** The share of wrong answers among those of one kind of steps. */
  wrong(kind: StepKind, params: ProofParams): number;
}

const only =
  (kinds: readonly StepKind[], share: number): Cheat['wrong'] =>
  (kind) =>
    kinds.includes(kind) ? share : 0;

/** Whoever lacks memory and makes nothing again: leaves, walks that meet a missing cell, and tiles one of whose rows needs one. */
function shortOf(share: number): Cheat['wrong'] {
  return (kind, params) => {
    if (kind === 'sweep') return share;
    const cells = kind === 'walk' ? params.hopsPerWalk : 128 * Math.ceil(params.productDepth / params.segmentBytes);
    return 1 - (1 - share) ** cells;
  };
}

/** The share of one kind's answers whose work takes `ofTime` of the whole chain at the pace of a class; all of them, if they take less. */
function worth(ofTime: number, kind: StepKind, { sizeClass, purpose }: ProofParams): number {
  const sizes = SIZES[sizeClass];
  if (!('pace' in sizes.rounds)) throw new Error(`${sizeClass} has no pace`);
  const { pace } = sizes.rounds;
  const params = proofParams(sizeClass, purpose);
  const seconds = chainAmounts(params)[AXIS_OF[kind]] / pace[AXIS_OF[kind]];
  return Math.min(1, (ofTime * chainSecondsAt(params, pace)) / seconds);
}

const CHEATS: readonly Cheat[] = [
  { attack: 'skips 2 % of tiles', purpose: 'onboarding', targeted: false, wrong: only(TILES, 0.02) },
  { attack: 'skips 5 % of tiles', purpose: 'onboarding', targeted: false, wrong: only(TILES, 0.05) },
  { attack: 'skips 10 % of tiles', purpose: 'onboarding', targeted: true, wrong: only(TILES, 0.1) },
  { attack: 'skips 20 % of tiles', purpose: 'onboarding', targeted: true, wrong: only(TILES, 0.2) },
  {
    attack: 'skips BF16 tiles alone, worth 10 % of the time',
    purpose: 'onboarding',
    targeted: true,
    wrong: (kind, params) => (kind === 'bf16' ? worth(0.1, kind, params) : 0),
  },
  { attack: 'skips 10 % of sweep leaves', purpose: 'onboarding', targeted: true, wrong: only(['sweep'], 0.1) },
  { attack: 'skips 10 % of walks', purpose: 'onboarding', targeted: true, wrong: only(['walk'], 0.1) },
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
    wrong: only(['sweep'], 0.05),
  },
  {
    attack: 'skips 10 % of tiles in one routine check',
    purpose: 'routine',
    targeted: false,
    note: 'only onboarding claims 99.9 %; routine checks come every 60 to 120 minutes',
    wrong: only(TILES, 0.1),
  },
];

/** Where the wrong answers lie does not matter to a uniform draw: the last ones of each step are wrong. */
function isCaught(cheat: Cheat, params: ProofParams, samples: readonly Sample[]): boolean {
  return samples.some(({ step, index }) => {
    const kind = stepKind(params, step);
    return index >= answerCount(params, kind) * (1 - cheat.wrong(kind, params));
  });
}

const SEPARATOR = ' @ ';

/** Draws for one purpose and class, which all cheats of that purpose have to pass: `reasons` counts the draws that caught each. */
export const runTries: RunTries = async ({ attack, from, to, seed }) => {
  const [purpose, sizeClass] = attack.split(SEPARATOR) as [Purpose, SizeClass];
  const params = proofParams(sizeClass, purpose);
  const cheats = CHEATS.filter((cheat) => cheat.purpose === purpose);
  const tally = from === 0 ? costOfProof(params) : emptyTally();
  for (let number = from; number < to; number++) {
    const random = randomStream('sampling', attack, seed, number);
    const samples = drawSamples(params, random.bytes(32), random.bytes(32));
    tally.tries += 1;
    for (const cheat of cheats) {
      if (isCaught(cheat, params, samples)) tally.reasons[cheat.attack] = (tally.reasons[cheat.attack] ?? 0) + 1;
    }
  }
  return tally;
};

/** One class for each set of sample counts, with the tallies of its draws. */
interface Drawn {
  sizeClass: SizeClass;
  tally: Tally;
}

function classesOf(purpose: Purpose): SizeClass[] {
  const byCounts = new Map<string, SizeClass>();
  for (const name of GPU_CLASSES) byCounts.set(JSON.stringify(proofParams(name, purpose).audit), name);
  return [...byCounts.values()];
}

export const family: AttackFamily = {
  name: 'sampling',
  run: 'content',
  inQuick: true,
  async play(setting) {
    const { quick, seed, threads, progress } = setting;
    for (const purpose of ['onboarding', 'routine'] as const) {
      const drawn: Drawn[] = [];
      for (const sizeClass of classesOf(purpose).slice(0, quick ? 1 : undefined)) {
        const name = purpose + SEPARATOR + sizeClass;
        const tally = await threads.run(new URL(import.meta.url), name, quick ? QUICK_TRIES : FULL_TRIES, seed);
        drawn.push({ sizeClass, tally });
        progress(`  ${purpose} draws of ${sizeClass}: ${JSON.stringify(tally.reasons)}`);
      }
      for (const cheat of CHEATS.filter((known) => known.purpose === purpose)) {
        const caught = ({ tally }: Drawn): number => tally.reasons[cheat.attack] ?? 0;
        const worst = drawn.reduce((least, next) => (caught(next) < caught(least) ? next : least));
        setting.row(rowOf(cheat, { ...worst.tally, detected: caught(worst), reasons: {} }, worst.sizeClass, quick));
      }
    }
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
  const drawn = `of all sample counts of GPU classes those with which it is caught least, ${sizeClass}: ${tiles} tiles, ${leaves} leaves, ${walks} walks`;
  const head = { family: 'sampling', attack, run: 'content', target, honestTarget: null, simulated: true } as const;
  // A draw over right answers finds nothing wrong: there is nothing to count beside it.
  return composeRow({ ...head, note: note === undefined ? drawn : `${note}; ${drawn}` }, tally, emptyTally());
}
