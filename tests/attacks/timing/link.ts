/** A network path as TCP shows it: every line arrives, in order, some late because a packet was lost and had to be sent again. */
import type { RandomStream } from '../random.ts';

/** A path between validator and pod. */
export interface Link {
  name: string;
  rttMs: number;
  /** Share of packets that are lost, each way. */
  loss: number;
}

/** The three paths of the targets. */
export const LINKS: readonly Link[] = [
  { name: '20 ms, 0.1 % loss', rttMs: 20, loss: 0.001 },
  { name: '180 ms, 1 % loss', rttMs: 180, loss: 0.01 },
  { name: '300 ms, 5 % loss', rttMs: 300, loss: 0.05 },
];

/** Linux waits at least this much longer than a round trip before it sends again, and twice as long each time. */
const RETRANSMISSION_MIN_MS = 200;
/** Jitter of each line: exponential with this mean. */
const JITTER_MS = 0.5;
const MAX_RETRANSMISSIONS = 12;

/** One direction of a path: when a line that is sent at `atMs` arrives. */
export type Direction = (atMs: number) => number;

/** A direction with its own randomness. No line overtakes another; `extraMs` is the way through a relay. */
export function direction({ rttMs, loss }: Link, random: RandomStream, extraMs = 0): Direction {
  let lastMs = 0;
  return (atMs) => {
    let delayMs = rttMs / 2 + extraMs - Math.log(1 - random.unit()) * JITTER_MS;
    let timeoutMs = rttMs + 2 * extraMs + RETRANSMISSION_MIN_MS;
    for (let lost = 0; lost < MAX_RETRANSMISSIONS && random.unit() < loss; lost++) {
      delayMs += timeoutMs;
      timeoutMs *= 2;
    }
    lastMs = Math.max(lastMs, atMs + delayMs);
    return lastMs;
  };
}
