/** When containers die, by the engine's own events over a connection of the demo's own. */

import { request } from 'node:http';
import { CeliumError } from '@celium/contract';
import { AGENT_LABEL, LEASE_LABEL } from '../engine/containers.ts';

/** Listens to deaths of an agent's containers until `close`. */
export interface DeathWatch {
  /** The wall-clock time of the death of the container of a lease, in unix ms. Throws `TIMEOUT`. */
  deathOf(leaseId: string, timeoutMs: number): Promise<number>;
  close(): void;
}

/** Opens the stream of events; resolves once the engine has begun to send. */
export async function watchDeaths(socketPath: string, machineKey: string): Promise<DeathWatch> {
  const filters = { type: ['container'], event: ['die'], label: [`${AGENT_LABEL}=${machineKey}`] };
  const deaths = new Map<string, number>();
  const waiting = new Map<string, (atMs: number) => void>();
  const stop = new AbortController();
  const take = (line: string): void => {
    const event = JSON.parse(line) as { Actor?: { Attributes?: Record<string, string> }; timeNano?: number };
    const leaseId = event.Actor?.Attributes?.[LEASE_LABEL];
    if (leaseId === undefined || event.timeNano === undefined) return;
    const atMs = event.timeNano / 1e6;
    deaths.set(leaseId, atMs);
    waiting.get(leaseId)?.(atMs);
  };
  await new Promise<void>((resolve, reject) => {
    const path = `/events?filters=${encodeURIComponent(JSON.stringify(filters))}`;
    const call = request(
      { socketPath, path, agent: false, headers: { host: 'docker' }, signal: stop.signal },
      (response) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line.trim() !== '') take(line);
        });
        response.on('error', () => {});
        resolve();
      },
    );
    call.once('error', (cause) => {
      if (!stop.signal.aborted)
        reject(new CeliumError('ENGINE_UNAVAILABLE', `No events from ${socketPath}: ${cause.message}.`, { cause }));
    });
    call.end();
  });
  return {
    async deathOf(leaseId, timeoutMs) {
      const known = deaths.get(leaseId);
      if (known !== undefined) return known;
      return await new Promise<number>((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new CeliumError('TIMEOUT', `The engine told no death of the container of lease ${leaseId}.`)),
          timeoutMs,
        );
        waiting.set(leaseId, (atMs) => {
          clearTimeout(timer);
          resolve(atMs);
        });
      });
    },
    close: () => stop.abort(),
  };
}
