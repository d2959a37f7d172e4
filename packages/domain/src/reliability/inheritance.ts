/** A history follows its GPU: a new key for an old card, or a new card under a bad key, starts with the worse of both; leaving does not wash a record. */

import { decayed, lowerBoundPpm } from './posterior.ts';
import { publicScorePpm, THRESHOLDS, TRACKS, type ReliabilityRecord, type Track, type Tracks } from './reliability.ts';

/** Who left with less than this comes back as they left. */
const LEFT_BELOW_PPM = THRESHOLDS.basePay;
/** For so long after leaving. */
export const RESTORED_WITHIN_HOURS = 90 * 24;

/**
 * The record that a unit starts with under a new coldkey: on each track the worse of what the unit brings along and what the coldkey is known for. `known`
 * is null for a coldkey without history.
 */
export function inheritRecord(
  unit: ReliabilityRecord,
  known: ReliabilityRecord | null,
  hour: number,
): ReliabilityRecord {
  if (known === null) return unit;
  const worse = (track: Track): Tracks[Track] => {
    const [own, theirs] = [decayed(unit.tracks[track], hour), decayed(known.tracks[track], hour)];
    return lowerBoundPpm(theirs) < lowerBoundPpm(own) ? theirs : own;
  };
  return {
    tracks: Object.fromEntries(TRACKS.map((track) => [track, worse(track)])) as Record<Track, Tracks[Track]>,
    fraud: unit.fraud || known.fraud,
    firstSeenHour: Math.min(unit.firstSeenHour, known.firstSeenHour),
  };
}

/** The record of a unit that was gone: restored as it was for 90 days if it left with less than 0.90, else forgotten by half in 30 days as ever. */
export function returnRecord(record: ReliabilityRecord, leftHour: number, hour: number): ReliabilityRecord {
  if (hour - leftHour > RESTORED_WITHIN_HOURS || publicScorePpm(record, leftHour) >= LEFT_BELOW_PPM) return record;
  const kept = (track: Track): Tracks[Track] => ({ ...decayed(record.tracks[track], leftHour), atHour: hour });
  return {
    ...record,
    tracks: Object.fromEntries(TRACKS.map((track) => [track, kept(track)])) as Record<Track, Tracks[Track]>,
  };
}
