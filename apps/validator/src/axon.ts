/** Tells the chain where this validator's public API is, so that anyone with a receipt finds its transcript. */

import type { DatabaseSync } from 'node:sqlite';
import type { KeySigner, SubnetChain } from '@celium/chain';
import type { Report } from './ports.ts';

export interface AxonAddress {
  /** An IP address. */
  ip: string;
  port: number;
}

/** What serving an axon needs from outside. */
export interface AxonPorts {
  chain: SubnetChain;
  hotkey: KeySigner;
  database: DatabaseSync;
  report: Report;
}

/** The axon protocol number of plain TCP services. */
const PROTOCOL = 4;

/**
 * Serves `axon` when we are registered and the chain has none of ours. An axon that somebody else set under this hotkey, for example that of
 * an agent which shares it, is left alone. Throws what the chain port throws.
 */
export async function serveAxon(ports: AxonPorts, axon: AxonAddress | null): Promise<void> {
  if (axon === null) return;
  const self = (await ports.chain.neurons()).find((neuron) => neuron.hotkey === ports.hotkey.ss58);
  if (self === undefined) return;
  const wanted = textOf(axon);
  const onChain = self.axon === undefined || self.axon.port === 0 ? null : textOf(self.axon);
  if (onChain === wanted || (onChain !== null && onChain !== readServed(ports.database))) return;
  const outcome = await ports.chain.serveAxon(ports.hotkey, { ...axon, protocol: PROTOCOL });
  if (!outcome.ok) {
    if (!outcome.retryable) throw new Error(`the chain refused the axon ${wanted}: ${outcome.error}`);
    return;
  }
  ports.database.prepare(`INSERT OR REPLACE INTO facts (name, value) VALUES ('axon', ?)`).run(wanted);
  ports.report({ event: 'step', name: 'serve axon', status: 'done', detail: wanted });
}

function readServed(database: DatabaseSync): string | null {
  const row = database.prepare(`SELECT value FROM facts WHERE name = 'axon'`).get() as { value: string } | undefined;
  return row?.value ?? null;
}

function textOf({ ip, port }: AxonAddress): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
