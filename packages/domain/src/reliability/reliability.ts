/** The reliability of a unit, a machine or a coldkey from its tracks: a public score to rank by, a factor of pay, and what follows below each threshold. */

import { PPM, squareRootPpm } from '../incentive/parts-per-million.ts';
import { exactExp, exactLn } from './exact-functions.ts';
import {
  decayed,
  FEW_OBSERVATIONS,
  lowerBoundPpm,
  meanPpm,
  NEW_BOUND_PPM,
  newPosterior,
  sumPosteriors,
  upperBoundPpm,
  type Posterior,
} from './posterior.ts';

/**
 * What is watched. `mysteryStart` holds the starts of decoys alone and stands in for `start` where pay is reckoned, so that nobody can buy pay by renting
 * from themselves.
 */
export const TRACKS = ['uptime', 'rental', 'start', 'verification', 'mysteryStart'] as const;
export type Track = (typeof TRACKS)[number];
export type Tracks = Readonly<Record<Track, Posterior>>;

/** Weights of the public score, in hundredths (reference economics, D2). */
const PUBLIC_WEIGHTS = { uptime: 35, rental: 35, start: 15, verification: 15 } as const;
export type PublicTrack = keyof typeof PUBLIC_WEIGHTS;

/** Thresholds of the public score, in millionths. */
export const THRESHOLDS = {
  reliable: 980_000n,
  searchFloor: 950_000n,
  basePay: 900_000n,
  delist: 800_000n,
} as const;
/** Hours after first sight from which the floor of base pay counts. */
export const BASE_FLOOR_FROM_HOURS = 14 * 24;
/** Hours below the delisting threshold that are left to mend. */
export const CURE_HOURS = 7 * 24;
/** U above R by more than this says: up when probed, down when rented. */
export const SELECTIVE_GAP_PPM = 30_000n;
/** Outage hours hang together: the shown interval of uptime takes evidence as a quarter. */
export const UPTIME_EVIDENCE_DIVISOR = 4n;

/** Everything that is known of one unit. */
export interface ReliabilityRecord {
  tracks: Tracks;
  /** A proven fraud: everything is zero. */
  fraud: boolean;
  firstSeenHour: number;
}

/** A record of which nothing is known yet. */
export function newRecord(hour: number): ReliabilityRecord {
  return { tracks: perTrack(() => newPosterior(hour)), fraud: false, firstSeenHour: hour };
}

/** One record for several units: a machine of its GPUs, a coldkey of its machines. One proven fraud is everyone's. */
export function sumRecords(records: readonly ReliabilityRecord[], hour: number): ReliabilityRecord {
  return {
    tracks: perTrack((track) =>
      sumPosteriors(
        records.map((record) => record.tracks[track]),
        hour,
      ),
    ),
    fraud: records.some(({ fraud }) => fraud),
    firstSeenHour: Math.min(hour, ...records.map(({ firstSeenHour }) => firstSeenHour)),
  };
}

/** One track in public. */
export interface TrackFigures {
  track: PublicTrack;
  meanPpm: bigint;
  lowerPpm: bigint;
  upperPpm: bigint;
  /** Observations ever, in millionths. */
  observations: bigint;
  /** Too few to say much. */
  isNew: boolean;
}

/** The tracks of a record as they are published, at an hour. */
export function publicFigures(record: ReliabilityRecord, hour: number): TrackFigures[] {
  return (Object.keys(PUBLIC_WEIGHTS) as PublicTrack[]).map((track): TrackFigures => {
    const posterior = decayed(record.tracks[track], hour);
    const divisor = track === 'uptime' ? UPTIME_EVIDENCE_DIVISOR : 1n;
    return {
      track,
      meanPpm: meanPpm(posterior),
      lowerPpm: lowerBoundPpm(posterior, divisor),
      upperPpm: upperBoundPpm(posterior, divisor),
      observations: posterior.observations,
      isNew: isNew(posterior),
    };
  });
}

/** The score to rank by: the product of the tracks' lower bounds, each to the power of its weight. */
export function publicScorePpm(record: ReliabilityRecord, hour: number): bigint {
  return score(record, hour, Object.keys(PUBLIC_WEIGHTS) as PublicTrack[]);
}

/**
 * The same over the tracks with fifty observations and more: what thresholds look at. A unit that nobody rented yet is not punished for it; null while
 * nothing is known well enough.
 */
export function establishedScorePpm(record: ReliabilityRecord, hour: number): bigint | null {
  if (record.fraud) return 0n;
  const known = (Object.keys(PUBLIC_WEIGHTS) as PublicTrack[]).filter((track) => !isNew(record.tracks[track]));
  return known.length === 0 ? null : score(record, hour, known);
}

function score(record: ReliabilityRecord, hour: number, tracks: readonly PublicTrack[]): bigint {
  if (record.fraud) return 0n;
  let [logarithm, weights] = [0, 0];
  for (const track of tracks) {
    const bound = Number(lowerBoundPpm(decayed(record.tracks[track], hour)));
    if (bound === 0) return 0n;
    logarithm += PUBLIC_WEIGHTS[track] * exactLn(bound / 1_000_000);
    weights += PUBLIC_WEIGHTS[track];
  }
  return BigInt(Math.floor(exactExp(logarithm / weights) * 1_000_000));
}

/** The factor of pay with what it is made of. */
export interface PayReliability {
  reliabilityPpm: bigint;
  uptimePpm: bigint;
  mysteryStartPpm: bigint;
  verificationPpm: bigint;
  rentalPpm: bigint;
  /** min(1, R / R of a new record): rentals can lower pay, never raise it. */
  rentalFactorPpm: bigint;
}

/** U^0.5 S^0.25 V^0.25 min(1, R / R_new), by whole square roots; S from decoys alone. */
export function payReliability(record: ReliabilityRecord, hour: number): PayReliability {
  const bound = (track: Track): bigint => lowerBoundPpm(decayed(record.tracks[track], hour));
  const [uptimePpm, mysteryStartPpm, verificationPpm, rentalPpm] = [
    bound('uptime'),
    bound('mysteryStart'),
    bound('verification'),
    bound('rental'),
  ];
  const rentalFactorPpm = rentalPpm >= NEW_BOUND_PPM ? PPM : (rentalPpm * PPM) / NEW_BOUND_PPM;
  const roots = squareRootPpm((uptimePpm * squareRootPpm((mysteryStartPpm * verificationPpm) / PPM)) / PPM);
  const reliabilityPpm = record.fraud ? 0n : (roots * rentalFactorPpm) / PPM;
  return { reliabilityPpm, uptimePpm, mysteryStartPpm, verificationPpm, rentalPpm, rentalFactorPpm };
}

/** What follows from a record at an hour. */
export interface Grade {
  label: 'fraud' | 'new' | 'reliable' | 'listed' | 'below search floor' | 'to be mended' | 'delisted';
  earnsBase: boolean;
  /** Since when it has been below the delisting threshold, for the next look; null above it. */
  belowSinceHour: number | null;
  /** Up when probed and down when rented, by more than chance. */
  selective: boolean;
}

/** The thresholds at an hour; `belowSinceHour` is that of the last look. */
export function gradeOf(record: ReliabilityRecord, hour: number, belowSinceHour: number | null): Grade {
  const established = establishedScorePpm(record, hour);
  const below = established !== null && established < THRESHOLDS.delist;
  const since = below ? (belowSinceHour ?? hour) : null;
  const delisted = since !== null && hour - since >= CURE_HOURS;
  const old = hour - record.firstSeenHour >= BASE_FLOOR_FROM_HOURS;
  const earnsBase = !record.fraud && !delisted && !(old && established !== null && established < THRESHOLDS.basePay);
  return {
    label: labelOf(record.fraud, established, delisted),
    earnsBase,
    belowSinceHour: since,
    selective: isSelective(record, hour),
  };
}

function labelOf(fraud: boolean, established: bigint | null, delisted: boolean): Grade['label'] {
  if (fraud) return 'fraud';
  if (delisted) return 'delisted';
  if (established === null) return 'new';
  if (established < THRESHOLDS.delist) return 'to be mended';
  if (established < THRESHOLDS.searchFloor) return 'below search floor';
  return established >= THRESHOLDS.reliable ? 'reliable' : 'listed';
}

function isSelective({ tracks }: ReliabilityRecord, hour: number): boolean {
  if (isNew(tracks.uptime) || isNew(tracks.rental)) return false;
  // Means and not bounds: the bound of a shorter record is lower without anybody's fault.
  return meanPpm(decayed(tracks.uptime, hour)) - meanPpm(decayed(tracks.rental, hour)) > SELECTIVE_GAP_PPM;
}

function isNew({ observations }: Posterior): boolean {
  return observations < BigInt(FEW_OBSERVATIONS) * PPM;
}

function perTrack(make: (track: Track) => Posterior): Tracks {
  return Object.fromEntries(TRACKS.map((track) => [track, make(track)])) as Record<Track, Posterior>;
}
