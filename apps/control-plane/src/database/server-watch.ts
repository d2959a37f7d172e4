/** Starts our own database server again when it has died: the market's pool reconnects by itself, and goes on where it was. */
import type { Logger } from 'pino';
import pg from 'pg';
import type { Clock } from '../ports.ts';
import { startWorkerLoop } from '../worker-loop.ts';
import type { DatabaseServer } from './server.ts';

const LOOK_INTERVAL_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that recovers answers that it does; only one whose socket refuses, this often in a row, is gone. */
const REFUSALS_BEFORE_RESTART = 3;

/**
 * Watches a server that we started; one that is not ours is left alone. `stop` ends the watch and the server.
 *
 * @param again makes the server ready as at the start of the program
 */
export function watchServer(
  first: DatabaseServer,
  again: () => Promise<DatabaseServer>,
  parts: { clock: Clock; log: Logger },
): { stop(): Promise<void> } {
  if (first.kind === 'external') return { stop: () => first.stop() };
  let server = first;
  let refusals = 0;
  const loop = startWorkerLoop({ name: 'database server', intervalMs: LOOK_INTERVAL_MS, ...parts }, async () => {
    refusals = (await isRefused(server.url)) ? refusals + 1 : 0;
    if (refusals < REFUSALS_BEFORE_RESTART) return false;
    parts.log.error('the database server has died; it is started again');
    // Gives the dead one up, so that the new one is ours to stop.
    await server.stop();
    server = await again();
    refusals = 0;
    parts.log.info('the database server is back');
    return false;
  });
  return {
    stop: async () => {
      await loop.stop();
      await server.stop();
    },
  };
}

/** True when nothing listens where the server should be. */
async function isRefused(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return false;
  } catch (fault) {
    const { code } = fault as { code?: unknown };
    return code === 'ECONNREFUSED' || code === 'ENOENT';
  }
}
