/** What counts as evidence, and for whom: uptime by probes from several vantage points, rentals, starts, checks. What proves nothing about a machine is left out. */

import { PPM } from '../incentive/parts-per-million.ts';
import { observe } from './posterior.ts';
import type { ReliabilityRecord, Track } from './reliability.ts';

/** An hour is up when at least this many vantage points reached the machine, and its agent was heard. */
export const VANTAGES_NEEDED = 2;
/** More of a vantage point's clusters down at once than this is the vantage point's own trouble. */
export const OUTAGE_PPM = 200_000n;
/** With fewer clusters in sight no vantage point can be judged. */
export const OUTAGE_CLUSTERS = 5;
/** Hours of a rental that count at most. */
const RENTAL_HOURS = 24;
/** What a failed hour weighs while the unit was rented. */
const RENTED_FAILURE = 3n;
/** A start counts when the pod is ready this soon after its image is there. */
export const START_LIMIT_MS = 180_000;
/** Maintenance is announced this long before, and lasts at most so long in any 30 days. */
export const MAINTENANCE_NOTICE_HOURS = 24;
export const MAINTENANCE_HOURS = 4;

/** What the vantage points saw of one machine in an hour. */
export interface UptimeHour {
  machine: string;
  /** Machines of one owner, as far as one can tell (payout, deposits, network). */
  cluster: string;
  hour: number;
  /** By vantage point: whether it reached the machine. A vantage that did not look is not there. */
  vantages: ReadonlyMap<string, boolean>;
  agentHeard: boolean;
  rented: boolean;
}

/** Vantages whose word of an hour is void: more than a fifth of all clusters were down for them at once. A cluster is down with half its machines. */
export function voidedVantages(machines: readonly UptimeHour[]): Set<string> {
  const vantages = new Set(machines.flatMap((machine) => [...machine.vantages.keys()]));
  const voided = new Set<string>();
  for (const vantage of vantages) {
    const seen = machines.filter((machine) => machine.vantages.has(vantage));
    const clusters = [...Map.groupBy(seen, ({ cluster }) => cluster).values()];
    const down = clusters.filter(
      (own) => own.filter(({ vantages: word }) => word.get(vantage) === false).length * 2 >= own.length,
    );
    if (clusters.length >= OUTAGE_CLUSTERS && BigInt(down.length) * PPM > BigInt(clusters.length) * OUTAGE_PPM)
      voided.add(vantage);
  }
  return voided;
}

/** The hour's word on a machine: null when too few vantage points looked whose word counts, or it was in announced maintenance. */
export function uptimeWord(own: UptimeHour, voided: ReadonlySet<string>, excused: boolean): 'up' | 'down' | null {
  const words = [...own.vantages].filter(([vantage]) => !voided.has(vantage)).map(([, reached]) => reached);
  if (excused && !own.rented) return null;
  if (words.length < VANTAGES_NEEDED) return null;
  return own.agentHeard && words.filter(Boolean).length >= VANTAGES_NEEDED ? 'up' : 'down';
}

/** A record with an hour of uptime: a failed hour weighs three while the unit was rented. */
export function observeUptime(
  record: ReliabilityRecord,
  hour: number,
  word: 'up' | 'down' | null,
  rented: boolean,
): ReliabilityRecord {
  if (word === null) return record;
  const failure = rented ? RENTED_FAILURE * PPM : PPM;
  return withEvidence(record, 'uptime', hour, word === 'up' ? { successPpm: PPM } : { failurePpm: failure });
}

/** An announced maintenance of one machine, in whole hours. */
export interface Maintenance {
  announcedHour: number;
  fromHour: number;
  hours: number;
}

/** The hours that are excused: announced a day before, four in any thirty days, the earliest first. */
export function excusedHours(announced: readonly Maintenance[]): Set<number> {
  const timely = announced
    .filter(({ announcedHour, fromHour }) => fromHour - announcedHour >= MAINTENANCE_NOTICE_HOURS)
    .toSorted((a, b) => a.fromHour - b.fromHour);
  const excused: number[] = [];
  for (const { fromHour, hours } of timely) {
    // More than the allowance of one window is never excused, however long somebody announces.
    for (let hour = fromHour; hour < fromHour + Math.min(hours, MAINTENANCE_HOURS); hour += 1) {
      const recent = excused.filter((other) => hour - other < 720);
      if (!excused.includes(hour) && recent.length < MAINTENANCE_HOURS) excused.push(hour);
    }
  }
  return new Set(excused);
}

/** How a rental ended, as far as reliability goes. */
export interface EndedRental {
  hour: number;
  hours: number;
  endedByProviderFault: boolean;
  /** Renter and provider belong to one cluster. */
  ownCluster: boolean;
  /** What was paid and the reference price, micro-dollars per unit and hour. */
  paidMicroUsdPerHour: bigint;
  referenceMicroUsdPerHour: bigint;
}

/** A record with an ended rental, by its hours up to 24. Praise by oneself or below the reference price is none; blame always counts, for an hour at least. */
export function observeRental(record: ReliabilityRecord, rental: EndedRental): ReliabilityRecord {
  const hours = Math.min(Math.max(0, rental.hours), RENTAL_HOURS);
  if (rental.endedByProviderFault) {
    return withEvidence(record, 'rental', rental.hour, { failurePpm: weigh(Math.max(1, hours)) });
  }
  if (rental.ownCluster || rental.paidMicroUsdPerHour < rental.referenceMicroUsdPerHour) return record;
  return withEvidence(record, 'rental', rental.hour, { successPpm: weigh(hours) });
}

/** A start of a paid rental or of a decoy (a mystery start): ready within three minutes of its image being there, or not. */
export interface Start {
  hour: number;
  mystery: boolean;
  /** Null when it was never ready. */
  readyAfterPullMs: number | null;
  ownCluster: boolean;
}

/** A record with a start. Only decoys count for pay. */
export function observeStart(record: ReliabilityRecord, start: Start): ReliabilityRecord {
  const good = start.readyAfterPullMs !== null && start.readyAfterPullMs <= START_LIMIT_MS;
  if (good && start.ownCluster && !start.mystery) return record;
  const evidence = good ? { successPpm: PPM } : { failurePpm: PPM };
  const seen = withEvidence(record, 'start', start.hour, evidence);
  return start.mystery ? withEvidence(seen, 'mysteryStart', start.hour, evidence) : seen;
}

/** A record with the verdict of a check. */
export function observeVerdict(record: ReliabilityRecord, hour: number, verdict: 'pass' | 'fail'): ReliabilityRecord {
  return withEvidence(record, 'verification', hour, verdict === 'pass' ? { successPpm: PPM } : { failurePpm: PPM });
}

function withEvidence(
  record: ReliabilityRecord,
  track: Track,
  hour: number,
  evidence: Parameters<typeof observe>[2],
): ReliabilityRecord {
  return { ...record, tracks: { ...record.tracks, [track]: observe(record.tracks[track], hour, evidence) } };
}

/** Hours as millionths of an observation, whole seconds counted. */
function weigh(hours: number): bigint {
  return (BigInt(Math.floor(hours * 3_600)) * PPM) / 3_600n;
}
