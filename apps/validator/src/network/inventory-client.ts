/** Asks an agent for its host's inventory: a signed question, and an answer that counts only under the machine key. */

import { clockOfErrorBody, verifyDocument, type RequestSigner } from '@celium/chain';
import { AGENT_API, DOCUMENTS, type Signed } from '@celium/contract';
import type { AgentAddress, NetworkPort } from '../ports.ts';

/** The inventory of a machine, or in words why there is none. Never rejects. */
export type ReadInventory = (agent: AgentAddress) => Promise<{ signed: Signed<'inventory'> } | { absent: string }>;

/** Short: a check waits for it, and an agent that does not answer gets no lease either. */
const CALL_TIMEOUT_MS = 5_000;
/** The document, its envelope, and what JSON adds to both. */
const MAX_ANSWER_BYTES = 2 * DOCUMENTS.inventory.maxBytes;

/** Reads inventories over `network`, signing with `signer`. */
export function createInventoryReader(network: NetworkPort, signer: RequestSigner): ReadInventory {
  return async (agent) => {
    const { pathname: path, href: url } = new URL(AGENT_API.inventory, agent.agentUrl);
    const { machineKey, tlsKeyHash, machineId } = agent;
    const ask = { method: 'GET', url, timeoutMs: CALL_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES, tlsKeyHash } as const;
    try {
      const answer = await signer.call(
        { method: 'GET', path, audience: machineKey },
        (headers) => network.request({ ...ask, headers }),
        ({ json }) => clockOfErrorBody(json),
      );
      if (answer.status !== 200) return { absent: `the agent answered HTTP ${answer.status}` };
      const shown = (answer.json as { inventory?: unknown } | null)?.inventory;
      const checked = verifyDocument('inventory', shown, { signer: machineKey });
      if (!checked.ok) return { absent: `${checked.code}: ${checked.message}` };
      return checked.body.machineId === machineId
        ? { signed: checked.signed }
        : { absent: 'it is the inventory of another machine' };
    } catch (fault) {
      return { absent: fault instanceof Error ? fault.message : String(fault) };
    }
  };
}
