/** How far away a machine can be at most: light in fibre is the fastest path there is, so a round trip bounds the distance from above and from nowhere else. */

/** Light in fibre, km per millisecond: c / 1.468, the group index of standard single-mode fibre at 1550 nm (ITU-T G.652). */
export const FIBRE_KM_PER_MS = 299.792_458 / 1.468;
/** Mean radius of the earth, km (IUGG). */
const EARTH_RADIUS_KM = 6_371.009;
/** Places are given by city: so far may the machine be from the point that it names, km. */
export const LOCATION_SLACK_KM = 100;

/** A place in degrees. */
export interface Coordinates {
  latitude: number;
  longitude: number;
}

/** The farthest that an answer with this round trip can have come from, km. */
export function distanceKmAtMost(rttMinMs: number): number {
  return (Math.max(0, rttMinMs) / 2) * FIBRE_KM_PER_MS;
}

/** The distance between two places over the surface of the earth, km (haversine). */
export function greatCircleKm(a: Coordinates, b: Coordinates): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const dLatitude = radians(b.latitude - a.latitude);
  const dLongitude = radians(b.longitude - a.longitude);
  const h =
    Math.sin(dLatitude / 2) ** 2 +
    Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude)) * Math.sin(dLongitude / 2) ** 2;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.sqrt(Math.min(1, h)));
}

/** A point on the net that measured a round trip; its place, and for all but our own also the time, is its own word. */
export interface VantageRtt {
  rttMinMs: number;
  coordinates: Coordinates | null;
  isOwn: boolean;
}

/** So many of others have to contradict a place when our own measurement does not: one that lies takes nobody off the market. */
const OTHERS_TO_CONTRADICT = 2;

export interface LocationVerdict {
  verdict: 'pass' | 'fail' | 'not-tested';
  code: 'OK' | 'LOCATION_CONTRADICTED' | 'NO_COORDINATES' | 'NO_ROUND_TRIP';
  /** The tightest bound of all vantage points, km; null without a round trip. */
  distanceKmAtMost: number | null;
  /** Vantage points that took part. */
  vantages: number;
}

/**
 * Whether the place that a machine names can be true. It cannot when we are farther from that place than light could have
 * gone, or two other vantage points are. A machine may delay its answers and so seem farther away than it is, never nearer: a pass says "not contradicted".
 */
export function judgeLocation(claim: Coordinates | null, seen: readonly VantageRtt[]): LocationVerdict {
  if (seen.length === 0)
    return { verdict: 'not-tested', code: 'NO_ROUND_TRIP', distanceKmAtMost: null, vantages: seen.length };
  const bound = Math.min(...seen.map(({ rttMinMs }) => distanceKmAtMost(rttMinMs)));
  const placed = seen.filter(({ coordinates }) => coordinates !== null);
  if (claim === null || placed.length === 0)
    return { verdict: 'not-tested', code: 'NO_COORDINATES', distanceKmAtMost: bound, vantages: seen.length };
  const against = placed.filter(
    ({ rttMinMs, coordinates }) =>
      coordinates !== null && greatCircleKm(claim, coordinates) > distanceKmAtMost(rttMinMs) + LOCATION_SLACK_KM,
  );
  const contradicted = against.some(({ isOwn }) => isOwn) || against.length >= OTHERS_TO_CONTRADICT;
  return {
    verdict: contradicted ? 'fail' : 'pass',
    code: contradicted ? 'LOCATION_CONTRADICTED' : 'OK',
    distanceKmAtMost: bound,
    vantages: seen.length,
  };
}
