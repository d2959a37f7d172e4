/** Chooses host ports for pods from the manifest's range. */
import { createServer } from 'node:net';

const MAX_TRIES = 200;

/** Host ports for `podPorts`, in the same order; null when the range has too few that nobody holds. */
export async function choosePorts(
  podPorts: readonly number[],
  range: { from: number; to: number },
  held: ReadonlySet<number>,
  isFree: (port: number) => Promise<boolean> = canListen,
): Promise<Array<{ pod: number; host: number }> | null> {
  const chosen: Array<{ pod: number; host: number }> = [];
  let tries = 0;
  for (let host = range.from; host <= range.to && chosen.length < podPorts.length; host += 1) {
    if (held.has(host)) continue;
    tries += 1;
    if (tries > MAX_TRIES) return null;
    if (await isFree(host)) chosen.push({ pod: podPorts[chosen.length] as number, host });
  }
  return chosen.length === podPorts.length ? chosen : null;
}

/** True when no program of the host listens on the port. An engine without a proxy shows up only when the pod starts. */
export async function canListen(port: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
