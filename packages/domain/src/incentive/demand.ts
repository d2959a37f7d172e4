/**
 * Which revenue counts as demand: settled, not refunded, of ordinary paid rentals, at most the reference price, and only as far as money was burned for
 * it on a finalised block. So a pretended rental costs its fee wherever it happens, in one's own market too. Orders that found nothing are no input here.
 */

import { lesser, PPM } from './parts-per-million.ts';
import type { IncentivePolicy } from './policy.ts';
import type { RentalShare } from './rates.ts';

/** What kind of hours a statement tells of. Only `paid` ones can count. */
export type HoursKind = 'paid' | 'free' | 'promotional' | 'decoy' | 'allowance';

/** One rental's part of a market's statement for a time. */
export interface StatementLine {
  rentalId: string;
  /** Whose machine it ran on. */
  hotkey: string;
  machineKey: string;
  gpuClass: string;
  kind: HoursKind;
  /** Billable milliseconds, summed over units. */
  unitMs: bigint;
  /** What the renter was charged and has paid. */
  settledMicroUsd: bigint;
  /** What they got back of it: refunds, credits for faults. */
  refundedMicroUsd: bigint;
}

/** What a market says of its rentals; its root stands in the market's log, and burns name it. */
export interface MarketStatement {
  market: string;
  root: string;
  lines: readonly StatementLine[];
}

/** Alpha that was burned for a statement, as the chain shows it. Block and event name it for good. */
export interface FeeBurn {
  blockHash: string;
  eventIndex: number;
  statementRoot: string;
  /** At the lower of spot price and 24-hour mean. */
  microUsd: bigint;
  finalised: boolean;
}

/** Why a line counts for less than was charged. */
export type NotCounted =
  | 'not paid'
  | 'refunded'
  | 'class not in the policy'
  | 'not a verified machine of this class'
  | 'more hours than the machine has'
  | 'above the reference price'
  | 'fee not burned'
  | 'nothing charged';

/** One line, as far as it counts. */
export interface CountedLine extends StatementLine {
  market: string;
  /** Settled less refunded, of a paid rental, as far as its burn went. */
  coveredMicroUsd: bigint;
  /** What drives the rate: of the covered money, at most the hours at the reference price. */
  countedMicroUsd: bigint;
  /** Empty when the line counts in full. */
  reasons: readonly NotCounted[];
}

/** The demand of an epoch with everything that it rests on. */
export interface CountedDemand {
  countedMicroUsd: ReadonlyMap<string, bigint>;
  lines: readonly CountedLine[];
  /** Statements that were given again, and burns that were: each counts once. */
  repeated: readonly string[];
}

/** Units that hold a valid proof, registered on the subnet or not: what a market says of machines counts only for these. */
export interface VerifiedUnits {
  machineKey: string;
  gpuClass: string;
  units: bigint;
}

/** What the demand of an epoch is counted from. */
export interface DemandInput {
  statements: readonly MarketStatement[];
  burns: readonly FeeBurn[];
  verified: readonly VerifiedUnits[];
  /** The time that the statements tell of. */
  periodMs: bigint;
  referenceMicroUsdPerHour: ReadonlyMap<string, bigint>;
  policy: Pick<IncentivePolicy, 'feePpm' | 'rentalShare'>;
}

/**
 * Counts the demand of an epoch. A market that burned too little has every line cut alike. Where the rental share is paid from emission, the whole
 * revenue has to be burned, not only the fee: else an owner of a market would have the cash back and the emission too. A class is what the machine's
 * proofs say, and a machine sells no more hours than it has: else a market could move its honest revenue to the class of a friend.
 */
export function countDemand(input: DemandInput): CountedDemand {
  const { statements, burns, verified, policy } = input;
  const repeated: string[] = [];
  const once = <T>(items: readonly T[], nameOf: (item: T) => string): T[] => {
    const seen = new Set<string>();
    return items.filter((item) => {
      const name = nameOf(item);
      if (seen.has(name)) repeated.push(name);
      return seen.size < seen.add(name).size;
    });
  };
  const burned = new Map<string, bigint>();
  for (const burn of once(burns, ({ blockHash, eventIndex }) => `burn ${blockHash}-${eventIndex}`)) {
    if (burn.finalised && burn.microUsd > 0n)
      burned.set(burn.statementRoot, (burned.get(burn.statementRoot) ?? 0n) + burn.microUsd);
  }
  const leftMs = new Map<string, bigint>();
  for (const { machineKey, gpuClass, units } of verified) {
    const key = `${machineKey} ${gpuClass}`;
    leftMs.set(key, (leftMs.get(key) ?? 0n) + units * input.periodMs);
  }
  const burnPpm = policy.rentalShare === 'emission' ? PPM : policy.feePpm;
  // By root, so that the order in which statements arrive decides nothing.
  const ordered = once(statements, ({ root }) => `statement ${root}`).toSorted((a, b) => (a.root < b.root ? -1 : 1));
  const lines = ordered.flatMap((statement) =>
    countStatement(statement, burned.get(statement.root) ?? 0n, burnPpm, leftMs, input),
  );
  const countedMicroUsd = new Map<string, bigint>();
  for (const line of lines)
    countedMicroUsd.set(line.gpuClass, (countedMicroUsd.get(line.gpuClass) ?? 0n) + line.countedMicroUsd);
  return { countedMicroUsd, lines, repeated };
}

function countStatement(
  statement: MarketStatement,
  burnedMicroUsd: bigint,
  burnPpm: bigint,
  leftMs: Map<string, bigint>,
  { referenceMicroUsdPerHour }: DemandInput,
): CountedLine[] {
  const eligible = statement.lines.map(eligibleMicroUsd);
  const required = eligible.reduce((total, amount) => total + amount, 0n) * burnPpm;
  // A fee of nothing would make demand free: then nothing counts.
  const available = burnPpm === 0n ? 0n : burnedMicroUsd * PPM;
  return statement.lines.map((line, i): CountedLine => {
    const whole = eligible[i]!;
    const coveredMicroUsd = required === 0n ? 0n : available >= required ? whole : (whole * available) / required;
    const key = `${line.machineKey} ${line.gpuClass}`;
    const left = leftMs.get(key);
    const unitMs = whole === 0n ? 0n : lesser(line.unitMs, left ?? 0n);
    if (left !== undefined) leftMs.set(key, left - unitMs);
    const price = referenceMicroUsdPerHour.get(line.gpuClass);
    const atReference = price === undefined ? 0n : (unitMs * price) / 3_600_000n;
    const countedMicroUsd = lesser(coveredMicroUsd, atReference);
    const reasons: NotCounted[] = [];
    if (line.kind !== 'paid') reasons.push('not paid');
    else if (line.settledMicroUsd === 0n) reasons.push('nothing charged');
    else {
      if (line.refundedMicroUsd > 0n) reasons.push('refunded');
      if (price === undefined) reasons.push('class not in the policy');
      else if (left === undefined) reasons.push('not a verified machine of this class');
      else if (unitMs < line.unitMs && whole > 0n) reasons.push('more hours than the machine has');
      else if (coveredMicroUsd > atReference) reasons.push('above the reference price');
      if (coveredMicroUsd < whole) reasons.push('fee not burned');
    }
    return { ...line, market: statement.market, coveredMicroUsd, countedMicroUsd, reasons };
  });
}

function eligibleMicroUsd({ kind, unitMs, settledMicroUsd, refundedMicroUsd }: StatementLine): bigint {
  if (unitMs < 0n || settledMicroUsd < 0n || refundedMicroUsd < 0n)
    throw new RangeError('a statement counts time and money, never negative');
  const left = settledMicroUsd - refundedMicroUsd;
  return kind === 'paid' && left > 0n ? left : 0n;
}

/** A statement that may not be about the machine at all: emission owes nothing for it. */
const DOUBTED: ReadonlySet<NotCounted> = new Set([
  'not a verified machine of this class',
  'more hours than the machine has',
]);

/**
 * What machines are owed from emission for rentals whose whole revenue was burned: all but the fee, per machine. Nothing where the renter's cash pays
 * them, and nothing for machines without a proof of the class or beyond their hours: those have to be paid in cash, and nothing burned for them.
 */
export function owedRentalShares(
  lines: readonly CountedLine[],
  policy: Pick<IncentivePolicy, 'feePpm' | 'rentalShare'>,
): RentalShare[] {
  if (policy.rentalShare === 'cash') return [];
  const owed = new Map<string, RentalShare>();
  for (const { hotkey, machineKey, coveredMicroUsd, reasons } of lines) {
    const share = coveredMicroUsd - (coveredMicroUsd * policy.feePpm + PPM - 1n) / PPM;
    if (share <= 0n || reasons.some((reason) => DOUBTED.has(reason))) continue;
    const key = `${hotkey} ${machineKey}`;
    owed.set(key, { hotkey, machineKey, owedMicroUsd: (owed.get(key)?.owedMicroUsd ?? 0n) + share });
  }
  return [...owed.values()];
}
