/** Decoys: which machine gets the next one, when it is disclosed, and what of a market's revenue is demand after that. */

/** One decoy takes this share of a machine's days, on the average over all machines. */
export const DECOYS_PER_MACHINE_DAY = 0.2;
/** A decoy is disclosed at the earliest after this, in milliseconds. */
export const MIN_DISCLOSURE_DELAY_MS = 24 * 3_600_000;
/** Decoys that began within one such period are committed to together, so that the commitment's time says nothing about theirs. */
export const COMMITMENT_PERIOD_MS = 3_600_000;

/** No decoy goes on for longer, in milliseconds. */
export const LONGEST_DECOY_MS = 6 * 3_600_000;

const DAY_MS = 24 * 3_600_000;
/** A machine that was never visited counts as one whose last decoy was this long ago; a longer pause counts no more than that. */
const LONGEST_PAUSE_MS = 14 * DAY_MS;
/** What earned the most since its last decoy weighs this many times as much as what earned nothing. */
const MOST_EARNED_WEIGHT = 4;

/** A machine that could be rented now. */
export interface DecoyCandidate {
  machineKey: string;
  /** Start of its last decoy by this validator, unix milliseconds; null for none. */
  lastDecoyAtMs: number | null;
  /** What it earned by rentals since then, in micro-dollars. */
  earnedMicroUsd: bigint;
}

/**
 * Whether a decoy is to begin in this turn of the loop: a Poisson process of `ratePerMachineDay` for each machine, so that nothing follows
 * from when the last one was.
 *
 * @param machines how many could be rented now
 * @param elapsedMs since the last turn
 * @param draw a fresh number in [0, 1)
 */
export function isDecoyDue(machines: number, ratePerMachineDay: number, elapsedMs: number, draw: number): boolean {
  const expected = (machines * ratePerMachineDay * Math.max(0, elapsedMs)) / DAY_MS;
  return draw < 1 - Math.exp(-expected);
}

/**
 * The machine that gets the next decoy: at random, weighted by the time since its last one and by what it earned meanwhile. Every candidate
 * has a weight, so none is ever safe.
 *
 * @param draw a fresh number in [0, 1)
 */
export function chooseDecoyTarget<Candidate extends DecoyCandidate>(
  candidates: readonly Candidate[],
  nowMs: number,
  draw: number,
): Candidate | null {
  const most = candidates.reduce((top, { earnedMicroUsd }) => (earnedMicroUsd > top ? earnedMicroUsd : top), 0n);
  const weights = candidates.map((candidate) => weightOf(candidate, most, nowMs));
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return candidates[index] ?? null;
  }
  return candidates.at(-1) ?? null;
}

/** A minute counts at the least: a machine that has just had its decoy may get the next one too. */
function weightOf({ lastDecoyAtMs, earnedMicroUsd }: DecoyCandidate, mostMicroUsd: bigint, nowMs: number): number {
  const pauseMs = lastDecoyAtMs === null ? LONGEST_PAUSE_MS : Math.min(nowMs - lastDecoyAtMs, LONGEST_PAUSE_MS);
  // Parts per million: a float of two large amounts, without their size.
  const share = mostMicroUsd <= 0n ? 0 : Number((earnedMicroUsd * 1_000_000n) / mostMicroUsd) / 1_000_000;
  return Math.max(pauseMs, 60_000) * (1 + (MOST_EARNED_WEIGHT - 1) * Math.min(Math.max(share, 0), 1));
}

/**
 * Expected days until a machine that cheats on `cheatedShare` of its renters is caught by a decoy: 1 / (d c). Infinite when either is zero.
 *
 * @param decoysPerMachineDay of all validators together
 */
export function expectedDaysToDetect(decoysPerMachineDay: number, cheatedShare: number): number {
  return 1 / (Math.max(0, decoysPerMachineDay) * Math.min(Math.max(cheatedShare, 0), 1));
}

/** One run of the challenge in a decoy's pod: right, wrong answers, or right or none too late. */
export type DecoyTry = 'right' | 'wrong' | 'late';

/**
 * What the tries in one pod say. Wrong answers decide at once; a lateness is repeated, and when the two differ a third decides, as for
 * announced checks. (Whoever was late has learnt by then what the lease is: the repetition spares honest machines on a bad path.)
 */
export function judgeTries(tries: readonly DecoyTry[]): 'pass' | 'fail' | 'again' {
  if (tries.includes('wrong')) return 'fail';
  const late = tries.filter((one) => one === 'late').length;
  if (late >= 2) return 'fail';
  const right = tries.length - late;
  return right > late ? 'pass' : 'again';
}

/** What is spent on decoys: one may begin when its largest cost still fits into the day's budget. */
export function fitsDecoyBudget(spentTodayMicroUsd: bigint, costMicroUsd: bigint, budgetMicroUsd: bigint): boolean {
  return spentTodayMicroUsd + costMicroUsd <= budgetMicroUsd;
}

/** The period in which a decoy that began at `startedAtMs` is committed to: its number, counted from 1970. */
export function commitmentPeriodOf(startedAtMs: number): number {
  return Math.floor(startedAtMs / COMMITMENT_PERIOD_MS);
}

/**
 * When the decoys of one period are disclosed, unix milliseconds: a day after the last of them ended, or an epoch if that is longer. Null while
 * one of them is still under way.
 */
export function disclosureAtMs(
  period: number,
  endedAtMs: ReadonlyArray<number | null>,
  epochMs: number,
): number | null {
  let last = (period + 1) * COMMITMENT_PERIOD_MS;
  for (const ended of endedAtMs) {
    if (ended === null) return null;
    last = Math.max(last, ended);
  }
  return last + Math.max(MIN_DISCLOSURE_DELAY_MS, epochMs);
}

/** A rental as far as the demand figure needs it. */
export interface RentalRevenue {
  rentalId: string;
  endedAtMs: number | null;
  chargedMicroUsd: bigint;
}

/** Whether a rental counts as demand: it may still be disclosed, it was a decoy, or it counts. */
export type DemandVerdict = 'not-yet' | 'decoy' | 'counts';

/**
 * A rental counts once no validator can disclose it any more and none has.
 *
 * @param disclosed rentals that validators with a permit disclosed as decoys, each under a commitment of its own time
 */
export function judgeDemand(
  rental: Omit<RentalRevenue, 'chargedMicroUsd'>,
  disclosed: ReadonlySet<string>,
  nowMs: number,
  epochMs: number,
): DemandVerdict {
  if (disclosed.has(rental.rentalId)) return 'decoy';
  if (rental.endedAtMs === null) return 'not-yet';
  // A decoy is disclosed with all others of its period, the last of which may have begun at its very end; two hours more let the word spread.
  const lastMs =
    rental.endedAtMs + COMMITMENT_PERIOD_MS + LONGEST_DECOY_MS + Math.max(MIN_DISCLOSURE_DELAY_MS, epochMs);
  return nowMs > lastMs + 2 * COMMITMENT_PERIOD_MS ? 'counts' : 'not-yet';
}

/** The demand in a market's revenue, in micro-dollars: what was charged for rentals that count. */
export function demandOf(
  rentals: readonly RentalRevenue[],
  disclosed: ReadonlySet<string>,
  nowMs: number,
  epochMs: number,
): bigint {
  return rentals
    .filter((rental) => judgeDemand(rental, disclosed, nowMs, epochMs) === 'counts')
    .reduce((sum, { chargedMicroUsd }) => sum + chargedMicroUsd, 0n);
}
