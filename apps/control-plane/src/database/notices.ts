/** Hears what other replicas commit, by LISTEN on a connection of its own. A hint only: whoever listens also looks by itself. */
import pg from 'pg';
import type { Clock } from '../ports.ts';
import type { Logger } from 'pino';

const RECONNECT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;

/** Listens on the channels of `heard`, each with what is done with a payload. Reconnects by itself; `stop` ends it. */
export function listenForNotices(
  url: string,
  heard: Readonly<Record<string, (payload: string) => void>>,
  parts: { clock: Clock; log: Logger },
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await listenOnce(url, heard, stopping.signal).catch((fault: unknown) => {
        parts.log.warn({ err: fault }, 'what other replicas do is not heard at the moment');
      });
      await parts.clock.sleep(RECONNECT_MS, stopping.signal);
    }
  };
  const running = run();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

async function listenOnce(
  url: string,
  heard: Readonly<Record<string, (payload: string) => void>>,
  stopping: AbortSignal,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  const broken = new Promise<void>((resolve) => {
    client.on('error', () => resolve());
    client.on('end', () => resolve());
    stopping.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    await client.connect();
    client.on('notification', ({ channel, payload }) => heard[channel]?.(payload ?? ''));
    for (const channel of Object.keys(heard)) await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    await broken;
  } finally {
    await client.end().catch(() => undefined);
  }
}
