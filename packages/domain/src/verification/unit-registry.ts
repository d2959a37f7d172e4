/**
 * Who holds a GPU: one UUID belongs to one (hotkey, machine key) in the whole network, or to nobody.
 *
 * A listing alone is worth nothing and takes nothing: UUIDs are public, so anybody can list anybody's. What counts is a pass. While two
 * registrations of one UUID have fresh passes it counts for neither, until one barrier has challenged both:
 * - one passes and the other fails: the one device is with the first, and the other's newest verdict is a fail;
 * - both pass: these are two devices, and at least one of them lies about its UUID. It stays with the registration that has been passing
 *   for at least a day longer (whoever copies a published UUID comes later), and with neither when there is no such lead.
 * So nobody gains by a second registration, and nobody can take an established provider's UUID away with a cheaper card. Being listed
 * first is no argument, and a registration that its hotkey's newest manifest leaves out has no claim at all.
 */

import { isCpuUnit } from '../ids.ts';
import { decidingReceipt, type UnitReceipt } from '../offer/verdict.ts';
import { RECEIPT_VALID_MS } from './validity.ts';

/** One machine of one hotkey, as a manifest in force lists it. */
export interface Registration {
  hotkey: string;
  machineKey: string;
}

/** A unit as a manifest in force lists it. */
export interface ListedUnit extends Registration {
  unit: string;
}

/** A receipt as far as the registry needs it. */
export interface UnitCheck extends UnitReceipt, ListedUnit {
  /** Runs under one barrier id ran at the same time, whoever the validator. Empty when there was no run. */
  barrierId: string;
  /** The device showed a certificate of its maker that is bound to its UUID: stronger than any lead. */
  attested?: boolean;
}

/** What the registry says of one GPU. `rivals` are the others with a claim; a rival without a fresh pass has only listed it. */
export type UnitStanding =
  /** Nobody who lists it has a fresh pass. */
  | { state: 'unproven'; rivals: Registration[] }
  | { state: 'held'; holder: Registration; rivals: Registration[] }
  /** Several have fresh passes and no barrier has challenged them together: it counts for none of them until one has. */
  | { state: 'contested'; rivals: Registration[] }
  /** Several passed in one barrier and none has a lead: several devices under one UUID, it counts for none of them. */
  | { state: 'spoofed'; rivals: Registration[] };

/** How much longer than every rival the holder must have been passing, in milliseconds. */
export const HOLD_LEAD_MS = RECEIPT_VALID_MS;
/** Passes further apart than this are not one series, in milliseconds: longer than most rentals, in which nothing can be checked. */
export const SERIES_GAP_MS = 7 * 24 * 3_600_000;
/** Receipts older than this say nothing to the registry, in milliseconds. */
export const UNIT_HISTORY_MS = 30 * 24 * 3_600_000;

/** The standing of one GPU. `listed`: every registration of it in force; `checks`: receipts of it, in any order, of any registration. */
export function standingOfUnit(
  listed: readonly Registration[],
  checks: readonly UnitCheck[],
  nowMs: number,
): UnitStanding {
  const claims = listed.map((registration) => claimOf(registration, checks, nowMs));
  const proven = claims.filter((claim) => claim.proven);
  const [first] = proven;
  if (first === undefined) return { state: 'unproven', rivals: claims.map(({ registration }) => registration) };
  const holder = proven.length === 1 ? first : (soleAttested(proven) ?? leaderOf(proven));
  if (holder !== null) {
    const rivals = claims.filter((claim) => claim !== holder).map(({ registration }) => registration);
    return { state: 'held', holder: holder.registration, rivals };
  }
  const state = everyPair(proven, passedTogether) ? 'spoofed' : 'contested';
  return { state, rivals: claims.map(({ registration }) => registration) };
}

/** The standing of every listed GPU. CPU units are named by their providers and are in no registry. */
export function standingsOfUnits(
  listed: readonly ListedUnit[],
  checks: readonly UnitCheck[],
  nowMs: number,
): Map<string, UnitStanding> {
  const checksOf = Map.groupBy(checks, ({ unit }) => unit);
  const standings = new Map<string, UnitStanding>();
  for (const [unit, registrations] of Map.groupBy(listed, (one) => one.unit)) {
    if (isCpuUnit(unit)) continue;
    const once = new Map(
      registrations.map(({ hotkey, machineKey }) => [`${hotkey} ${machineKey}`, { hotkey, machineKey }]),
    );
    standings.set(unit, standingOfUnit([...once.values()], checksOf.get(unit) ?? [], nowMs));
  }
  return standings;
}

/** Whether a GPU counts for this registration. */
export function holdsUnit(standing: UnitStanding | undefined, { hotkey, machineKey }: Registration): boolean {
  return standing?.state === 'held' && standing.holder.hotkey === hotkey && standing.holder.machineKey === machineKey;
}

/**
 * Whose assignment a machine follows in place of its own, by machine key: the same validators have to challenge all who claim one GPU, or no
 * validator sees them in one barrier. Rivals follow the holder; where nobody holds it, they follow the lowest key. So who only lists another's
 * GPU changes nothing for him.
 */
export function followedMachines(standings: ReadonlyMap<string, UnitStanding>): Map<string, string> {
  const followed = new Map<string, string>();
  for (const standing of standings.values()) {
    const keys = standing.rivals.map(({ machineKey }) => machineKey).sort();
    const first = standing.state === 'held' ? standing.holder.machineKey : keys[0];
    if (first === undefined) continue;
    for (const key of keys) if (key !== first && !followed.has(key)) followed.set(key, first);
  }
  return followed;
}

interface Claim {
  registration: Registration;
  /** Its deciding receipt is a fresh pass. */
  proven: boolean;
  attested: boolean;
  /** Start of the present series of passes, unix ms. */
  provenSinceMs: number;
  /** The barriers of all its passes. */
  barriers: Set<string>;
}

function claimOf(registration: Registration, checks: readonly UnitCheck[], nowMs: number): Claim {
  const own = checks.filter(
    ({ hotkey, machineKey, endedAtMs }) =>
      hotkey === registration.hotkey && machineKey === registration.machineKey && nowMs - endedAtMs <= UNIT_HISTORY_MS,
  );
  const deciding = decidingReceipt(own, nowMs);
  const passes = own.filter(({ verdict }) => verdict === 'pass');
  return {
    registration,
    proven: deciding?.verdict === 'pass',
    attested: deciding?.attested === true,
    provenSinceMs: sinceMs(passes),
    barriers: new Set(passes.map(({ barrierId }) => barrierId).filter((id) => id !== '')),
  };
}

/** The median over validators of when each one's present series of passes began: one validator alone can lengthen none. */
function sinceMs(passes: readonly UnitCheck[]): number {
  const starts = [...Map.groupBy(passes, ({ validator }) => validator).values()]
    .map((series) => startOfSeries(series.map(({ endedAtMs }) => endedAtMs)))
    .sort((a, b) => a - b);
  return starts[Math.floor(starts.length / 2)] ?? Infinity;
}

function startOfSeries(timesMs: readonly number[]): number {
  const newestFirst = timesMs.toSorted((a, b) => b - a);
  let start = newestFirst[0] ?? Infinity;
  for (const time of newestFirst) {
    if (start - time > SERIES_GAP_MS) break;
    start = time;
  }
  return start;
}

function soleAttested(proven: readonly Claim[]): Claim | null {
  const attested = proven.filter((claim) => claim.attested);
  return attested.length === 1 ? (attested[0] ?? null) : null;
}

/** Who was challenged together with every rival, passed each time, and has the lead over all of them. */
function leaderOf(proven: readonly Claim[]): Claim | null {
  const leads = (claim: Claim, rival: Claim): boolean =>
    claim.provenSinceMs + HOLD_LEAD_MS <= rival.provenSinceMs && passedTogether(claim, rival);
  return proven.find((claim) => proven.every((rival) => rival === claim || leads(claim, rival))) ?? null;
}

function passedTogether(a: Claim, b: Claim): boolean {
  return [...a.barriers].some((barrier) => b.barriers.has(barrier));
}

function everyPair(claims: readonly Claim[], holds: (a: Claim, b: Claim) => boolean): boolean {
  return claims.every((a, index) => claims.slice(index + 1).every((b) => holds(a, b)));
}
