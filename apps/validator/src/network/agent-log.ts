/** Reads an agent's published log: public, bounded, from the machine whose TLS key the manifest names. */

import { AGENT_API, logEntry } from '@celium/contract';
import { z } from 'zod';
import type { AgentAddress, NetworkPort } from '../ports.ts';

/** Entries from a number on, and how many there are in all. */
export interface LogPage {
  height: number;
  /** The signed head as it came, unchecked. */
  head?: unknown;
  entries: Array<{ seq: number; kind: string; body: unknown }>;
}

/** The log's entries from `from` on; null when the agent gave none. Never rejects. */
export type ReadAgentLog = (agent: AgentAddress, from: number) => Promise<LogPage | null>;

const CALL_TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 1_048_576;

const page = z.looseObject({
  head: z.looseObject({ body: z.looseObject({ height: z.int().min(0) }) }),
  entries: z.array(logEntry).max(1_000),
});

/** Reads over `network`. */
export function createLogReader(network: NetworkPort): ReadAgentLog {
  return async (agent, from) => {
    const { tlsKeyHash } = agent;
    // An address that is none is its manifest's fault, and must not end the reading of others.
    const address = URL.parse(`${AGENT_API.log}?from=${from}`, agent.agentUrl);
    if (address === null) return null;
    const limits = { timeoutMs: CALL_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, tlsKeyHash };
    const answer = await network.request({ method: 'GET', url: address.href, ...limits }).catch(() => null);
    const parsed = page.safeParse(answer?.json);
    if (answer?.status !== 200 || !parsed.success) return null;
    const { head, entries } = parsed.data;
    return { height: head.body.height, head, entries };
  };
}
