/** The parts around a pod's disk: its published ports from outside, transfers both ways, and how far away it can be at most. */

import type { MachineParts } from '@celium/contract';
import { judgeLocation, judgePorts, type Coordinates, type TriedPort, type VantageRtt } from '@celium/domain';
import type { PortFindings } from './port-probe.ts';

/** Slower than this a machine cannot be used over a network, bytes per second in either direction. */
export const LEAST_BYTES_PER_SECOND = 1_000_000;

/** One vantage point's findings, and where it says it stands. */
export interface VantageFindings extends PortFindings {
  coordinates: Coordinates | null;
  /** Whether it is us. */
  isOwn: boolean;
}

const PORT_WORDS = {
  OK: '',
  NO_PORTS: 'the machine has no free ports to publish',
  PORT_CLOSED: 'a published port does not lead into the pod',
  PORT_OUTSIDE_RANGE: 'a port lies outside the range of the manifest',
};

/** The ports part. `rangeReached` counts ports of the range that were ever reached by us, these included. */
export function portsPart(
  range: { from: number; to: number },
  tried: readonly TriedPort[],
  rangeReached: number,
): MachineParts['ports'] {
  const { verdict, code } = judgePorts(range, tried);
  const closed = tried.find((port) => !port.reached)?.host;
  const message = code === 'PORT_CLOSED' ? `${PORT_WORDS[code]}: ${closed}` : PORT_WORDS[code];
  const reached = tried.filter((port) => port.reached).length;
  return { verdict, code, message, tried: tried.length, reached, rangeReached, rangePorts: range.to - range.from + 1 };
}

/** The network part: right payloads both ways at the least rate, seen from the best vantage point that got through. */
export function networkPart(seen: readonly VantageFindings[], payloadBytes: number): MachineParts['network'] {
  const tested = seen.filter((one) => one.reached);
  const best = (rate: (one: VantageFindings) => number): number => Math.max(0, ...tested.map(rate));
  const upBytesPerSecond = best((one) => one.upBytesPerSecond);
  const downBytesPerSecond = best((one) => one.downBytesPerSecond);
  const figures = { upBytesPerSecond, downBytesPerSecond, payloadBytes, vantages: tested.length };
  if (tested.length === 0)
    return { verdict: 'not-tested', code: 'NO_PORTS', message: 'no published port led into the pod', ...figures };
  const least = Math.min(upBytesPerSecond, downBytesPerSecond);
  if (least === 0)
    return { verdict: 'fail', code: 'TRANSFER_FAILED', message: 'a payload did not come through as sent', ...figures };
  const alone = tested.length === 1;
  if (least < LEAST_BYTES_PER_SECOND)
    // Seen from one point only, the slow line may be our own.
    return {
      verdict: alone ? 'not-tested' : 'fail',
      code: 'NETWORK_SLOW',
      message: alone ? 'slow from the only vantage point' : 'slower than 1 MB/s from every vantage point',
      ...figures,
    };
  const message = alone ? 'one vantage point: the validator alone' : '';
  return { verdict: 'pass', code: 'OK', message, ...figures };
}

const LOCATION_WORDS = {
  OK: 'not contradicted; a machine may seem farther away than it is, never nearer',
  NO_COORDINATES: 'no place in degrees is named by the machine, or by a vantage point',
  NO_ROUND_TRIP: 'no round trip to the pod was measured',
  LOCATION_CONTRADICTED: 'light cannot come that fast from the place that the manifest names',
};

/** The location part. */
export function locationPart(claim: Coordinates | null, seen: readonly VantageFindings[]): MachineParts['location'] {
  const measured = seen.flatMap(({ rttMinMs, coordinates, isOwn }): VantageRtt[] =>
    rttMinMs === null ? [] : [{ rttMinMs, coordinates, isOwn }],
  );
  const { verdict, code, distanceKmAtMost, vantages } = judgeLocation(claim, measured);
  return {
    verdict,
    code,
    message: LOCATION_WORDS[code],
    rttMinMs: measured.length === 0 ? 0 : Math.round(Math.min(...measured.map((one) => one.rttMinMs)) * 100) / 100,
    distanceKmAtMost: Math.ceil(distanceKmAtMost ?? 0),
    vantages,
  };
}
