/** Chooses host ports for pods from the manifest's range. */
import { createServer } from 'node:net';

const MAX_TRIES = 200;

/**
 * Host ports for `podPorts`, in the same order; null when the range has too few that nobody holds. `wanted` names the host port that a pod port
 * is to have where that is in the range and free: a check of the whole range asks for them.
 */
export async function choosePorts(
  podPorts: readonly number[],
  range: { from: number; to: number },
  held: ReadonlySet<number>,
  wanted: ReadonlyMap<number, number> = new Map(),
  isFree: (port: number) => Promise<boolean> = canListen,
): Promise<Array<{ pod: number; host: number }> | null> {
  const given = new Map<number, number>();
  for (const [pod, host] of wanted) {
    const fits = podPorts.includes(pod) && host >= range.from && host <= range.to && !held.has(host);
    if (fits && ![...given.values()].includes(host) && (await isFree(host))) given.set(pod, host);
  }
  const taken = new Set([...held, ...given.values()]);
  const left = podPorts.filter((pod) => !given.has(pod));
  let next = 0;
  let tries = 0;
  for (let host = range.from; host <= range.to && next < left.length; host += 1) {
    if (taken.has(host)) continue;
    tries += 1;
    if (tries > MAX_TRIES) return null;
    if (await isFree(host)) given.set(left[next++] as number, host);
  }
  return next === left.length ? podPorts.map((pod) => ({ pod, host: given.get(pod) as number })) : null;
}

/** True when no program of the host listens on the port. An engine without a proxy shows up only when the pod starts. */
export async function canListen(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
