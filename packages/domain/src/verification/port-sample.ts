/** Which ports of a machine's range are tried from outside: a few per check, the longest untried first, so that the whole range comes round. */

/** Ports tried in one check. */
export const PORTS_PER_CHECK = 8;

/**
 * The ports to ask for. `triedAtMs` holds when each port was last reached; a port that never was comes first. `draw(n)` gives a fair
 * number from 0 to n - 1, so that nobody knows the next ones.
 */
export function samplePorts(
  range: { from: number; to: number },
  triedAtMs: ReadonlyMap<number, number>,
  count: number,
  draw: (n: number) => number,
): number[] {
  const ports = Array.from({ length: Math.max(0, range.to - range.from + 1) }, (_, index) => range.from + index);
  // A fair shuffle decides among ports of one age.
  for (let left = ports.length; left > 1; left -= 1) {
    const other = draw(left);
    const last = ports[left - 1] as number;
    ports[left - 1] = ports[other] as number;
    ports[other] = last;
  }
  const age = (port: number): number => triedAtMs.get(port) ?? -1;
  return ports.sort((a, b) => age(a) - age(b)).slice(0, count);
}

/** One published port as it was tried. */
export interface TriedPort {
  host: number;
  /** The pod's own answer came back through it. */
  reached: boolean;
}

export type PortsVerdict =
  | { verdict: 'pass'; code: 'OK' }
  | { verdict: 'fail'; code: 'PORT_OUTSIDE_RANGE' | 'PORT_CLOSED' }
  | { verdict: 'not-tested'; code: 'NO_PORTS' };

/** The verdict on the ports: every one that was published has to lie in the range and lead into the pod. */
export function judgePorts(range: { from: number; to: number }, tried: readonly TriedPort[]): PortsVerdict {
  if (tried.length === 0) return { verdict: 'not-tested', code: 'NO_PORTS' };
  if (tried.some(({ host }) => host < range.from || host > range.to))
    return { verdict: 'fail', code: 'PORT_OUTSIDE_RANGE' };
  return tried.every(({ reached }) => reached)
    ? { verdict: 'pass', code: 'OK' }
    : { verdict: 'fail', code: 'PORT_CLOSED' };
}
