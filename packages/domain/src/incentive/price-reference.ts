/** The reference price of a class: the median of at least three feeds, followed by at most 2 % an hour. Too few feeds, or a clock that stands, move nothing. */

import { PPM } from './parts-per-million.ts';
import type { IncentivePolicy } from './policy.ts';

/** What one feed said of one class. */
export interface PriceReading {
  /** The feed's name: one voice, however often it speaks. */
  source: string;
  gpuClass: string;
  microUsdPerHour: bigint;
  /** The date that the feed gives its price. */
  observedAtMs: number;
}

/** Where readings come from: a file, an HTTP source, a recorded sample. */
export interface PriceSource {
  readonly name: string;
  /** What the feed says now; throws when it does not answer in time or says nothing that can be read. */
  read(): Promise<readonly PriceReading[]>;
}

/** A reference price with what it rests on. */
export interface PriceReference {
  gpuClass: string;
  microUsdPerHour: bigint;
  /** When feeds were last looked at; silence gives no credit for a jump. */
  lookedAtMs: number;
  /** The readings of the last change, by source; empty while the price is the policy's anchor. */
  readings: readonly PriceReading[];
}

/** A reading older than this says nothing. */
export const READING_VALID_MS = 24 * 3_600_000;
/** A reading may be this far ahead of our clock. */
export const READING_AHEAD_MS = 5 * 60_000;
/** The most time that one look gives credit for, however long the feeds or we were silent. */
export const LOOK_CREDIT_MS = 2 * 3_600_000;
/** Feeds that differ by more than this factor are said to disagree; the median counts all the same. */
const DISAGREEMENT = 3n;

export interface ReferenceStep {
  reference: PriceReference;
  /** The median of the feeds that spoke, or null when they were too few. */
  medianMicroUsdPerHour: bigint | null;
  /** Whether the change limit held the price back. */
  limited: boolean;
  /** What was left out, and why the price moved or did not. */
  notes: readonly string[];
}

/** The price before any feed has spoken: the owner's word. */
export function anchorReference(gpuClass: string, anchorMicroUsdPerHour: bigint, nowMs: number): PriceReference {
  return { gpuClass, microUsdPerHour: anchorMicroUsdPerHour, lookedAtMs: nowMs, readings: [] };
}

/** One look at the feeds. */
export function followFeeds(
  before: PriceReference,
  readings: readonly PriceReading[],
  nowMs: number,
  policy: Pick<IncentivePolicy, 'minimumFeeds' | 'priceChangePpmPerHour'>,
): ReferenceStep {
  const notes: string[] = [];
  const latest = new Map<string, PriceReading>();
  for (const reading of readings) {
    if (reading.gpuClass !== before.gpuClass) continue;
    const fault = readingFault(reading, nowMs);
    if (fault !== null) notes.push(`${reading.source}: ${fault}`);
    else if (isLater(reading, latest.get(reading.source))) latest.set(reading.source, reading);
  }
  const used = [...latest.values()].toSorted(byPriceThenSource);
  const elapsedMs = Math.min(Math.max(0, nowMs - before.lookedAtMs), LOOK_CREDIT_MS);
  const lookedAtMs = Math.max(before.lookedAtMs, nowMs);
  if (used.length < policy.minimumFeeds) {
    notes.push(`${used.length} of at least ${policy.minimumFeeds} feeds: no change`);
    return { reference: { ...before, lookedAtMs }, medianMicroUsdPerHour: null, limited: false, notes };
  }
  // Of an even number the lower one of the middle: a price that a feed really said.
  const median = used[(used.length - 1) >> 1]!.microUsdPerHour;
  const [lowest, highest] = [used[0]!.microUsdPerHour, used.at(-1)!.microUsdPerHour];
  if (highest > lowest * DISAGREEMENT) notes.push('the feeds disagree by more than a factor of three');
  const step = (before.microUsdPerHour * policy.priceChangePpmPerHour * BigInt(elapsedMs)) / (PPM * 3_600_000n);
  const microUsdPerHour = within(median, before.microUsdPerHour - step, before.microUsdPerHour + step);
  const limited = microUsdPerHour !== median;
  if (limited) notes.push(`the change limit holds it back from ${median}`);
  const reference = { gpuClass: before.gpuClass, microUsdPerHour, lookedAtMs, readings: used };
  return { reference, medianMicroUsdPerHour: median, limited, notes };
}

function readingFault({ microUsdPerHour, observedAtMs }: PriceReading, nowMs: number): string | null {
  if (microUsdPerHour <= 0n) return 'a price that is not above 0';
  if (observedAtMs > nowMs + READING_AHEAD_MS) return 'dated in the future';
  return nowMs - observedAtMs > READING_VALID_MS ? 'older than a day' : null;
}

/** The later word of a feed counts; of two with one date the lower price, whatever their order. */
function isLater(reading: PriceReading, known: PriceReading | undefined): boolean {
  if (known === undefined || reading.observedAtMs !== known.observedAtMs)
    return known === undefined || reading.observedAtMs > known.observedAtMs;
  return reading.microUsdPerHour < known.microUsdPerHour;
}

function byPriceThenSource(a: PriceReading, b: PriceReading): number {
  if (a.microUsdPerHour !== b.microUsdPerHour) return a.microUsdPerHour < b.microUsdPerHour ? -1 : 1;
  return a.source < b.source ? -1 : 1;
}

function within(value: bigint, least: bigint, most: bigint): bigint {
  if (value < least) return least;
  return value > most ? most : value;
}
