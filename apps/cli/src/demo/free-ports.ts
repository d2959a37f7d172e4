/** Ports that nobody uses now, so that a demo never meets another market on the same machine. */

import { createServer } from 'node:net';
import { CeliumError } from '@celium/contract';

const FIRST_BLOCK_PORT = 21_000;
const LAST_BLOCK_PORT = 31_999;
const MAX_TRIES = 40;

/** One free TCP port on loopback. It may be taken before it is used; the program then says so. */
export async function findFreePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === null) throw new CeliumError('PORT_IN_USE', 'There is no free port on this machine.');
  return port;
}

/** `count` free ports in a row, at a random place, for pods. Throws `PORT_IN_USE`. */
export async function findFreeRange(
  count: number,
  random: () => number = Math.random,
): Promise<{ from: number; to: number }> {
  const places = Math.floor((LAST_BLOCK_PORT - FIRST_BLOCK_PORT) / count);
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const from = FIRST_BLOCK_PORT + Math.floor(random() * places) * count;
    const ports = Array.from({ length: count }, (_, index) => from + index);
    const free = await Promise.all(ports.map(async (port) => (await listenOnce(port)) !== null));
    if (free.every(Boolean)) return { from, to: from + count - 1 };
  }
  throw new CeliumError('PORT_IN_USE', `There are no ${count} free ports in a row on this machine.`);
}

async function listenOnce(port: number): Promise<number | null> {
  return await new Promise<number | null>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '0.0.0.0', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
