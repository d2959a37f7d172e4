/** What the chain of a pair of units does, from the parameters of both: how many answers, how many steps, how long it may take. */
import { DIGESTS_PER_MERKLE_LEAF, LEAF_BYTES, type ProofParams, type Purpose, type SizeClass } from '../params.ts';

/** Leaves of each unit that are mixed into one answer. */
export const LEAVES_PER_SIDE = 3;

/** The sizes of one pair's chain. */
export interface PairPlan {
  /** Answers of one step; a multiple of 8. */
  answers: number;
  steps: number;
  /** 16 KiB for every answer of the chain: what has to cross between the units, but for a twentieth. */
  bytes: number;
  /** How long the validator waits for the last root, apart from the network. */
  limitMs: number;
  /** Answers that are opened and recomputed. */
  samples: number;
}

/** At the pace of its class a chain takes so long. */
const PAIR_SECONDS = 4;
/** So many times as long is waited for; who is slower has no link worth a figure. */
const PATIENCE = 2;

/** A chain for hardware whose links have no pace. */
interface FixedChain {
  steps: number;
  limitMs: number;
}

/**
 * What links of a class carry at least, in bytes per second of both directions together: the floors of `GPU_LINKS` in `@celium/domain`. Size classes whose cards
 * have no link that could be told from their bus have none, and are not paired; on a CPU a pair shows that the mechanism works and nothing else.
 */
export const PAIR_PACE: Partial<Record<SizeClass, number | FixedChain>> = {
  micro: { steps: 16, limitMs: 60_000 },
  'cpu-demo': { steps: 4, limitMs: 60_000 },
  'gpu-b300': 1170e9,
  'gpu-b200': 1170e9,
  'gpu-hopper': 585e9,
  'gpu-ampere': 390e9,
};

/** The most steps of a chain, whatever the sizes. */
export const MAX_PAIR_STEPS = 4_096;

/**
 * Samples: who wants to look 1.2 times as fast as its bus and its host together has to leave out a sixth of the answers, and (1 - 1/6)^40 = 0.07 %; in a routine
 * check (1 - 1/6)^16 = 5 %, again and again.
 */
const SAMPLES: Record<Purpose, number> = { onboarding: 40, routine: 16, 'routine-long': 16 };

/** The most samples of a pair. */
export const MAX_PAIR_SAMPLES = Math.max(...Object.values(SAMPLES));

/** The plan for a lead and its peer; null where their class has nothing to show, or their memories are too small. */
export function pairPlan(lead: ProofParams, peer: ProofParams): PairPlan | null {
  const pace = PAIR_PACE[lead.sizeClass];
  if (pace === undefined || peer.sizeClass !== lead.sizeClass) return null;
  // Half as many answers as leaves: then their sums are independent of each other, and no leaf that is sent as it is serves two of them.
  const half = Math.floor(Math.min(lead.memoryLeaves, peer.memoryLeaves) / 2);
  const answers = half - (half % DIGESTS_PER_MERKLE_LEAF);
  if (answers === 0) return null;
  const stepBytes = answers * LEAF_BYTES;
  const steps = typeof pace === 'number' ? Math.ceil((PAIR_SECONDS * pace) / stepBytes) : pace.steps;
  const kept = Math.min(steps, MAX_PAIR_STEPS);
  return {
    answers,
    steps: kept,
    bytes: kept * stepBytes,
    limitMs: typeof pace === 'number' ? PATIENCE * PAIR_SECONDS * 1000 : pace.limitMs,
    samples: Math.min(SAMPLES[lead.purpose], kept * answers),
  };
}
