/** Asks the coordinator of an epoch for its barrier statement: signed with our hotkey, bounded, and believed only under its own signature. */

import { clockOfErrorBody, decodeSs58, toHex, verifyDocument, type Axon, type RequestSigner } from '@celium/chain';
import { VALIDATOR_API, type Signed } from '@celium/contract';
import type { NetworkPort } from '../ports.ts';

/** The coordinator's statement, or null when it gave none that is its own. */
export type AskBarrier = (coordinator: string, axon: Axon) => Promise<Signed<'barrier'> | null>;

const CALL_TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 16_384;

/** Asks over `network`, signing with `signer`. Rejects when nothing comes back within the time. */
export function createBarrierClient(network: NetworkPort, signer: RequestSigner): AskBarrier {
  return async (coordinator, { ip, port }) => {
    const audience = toHex(decodeSs58(coordinator));
    const url = `http://${ip.includes(':') ? `[${ip}]` : ip}:${port}${VALIDATOR_API.barrier}`;
    const answer = await signer.call(
      { method: 'GET', path: VALIDATOR_API.barrier, audience },
      (headers) =>
        network.request({ method: 'GET', url, headers, timeoutMs: CALL_TIMEOUT_MS, maxBytes: MAX_ANSWER_BYTES }),
      ({ json }) => clockOfErrorBody(json),
    );
    if (answer.status !== 200) return null;
    const verified = verifyDocument('barrier', answer.json, { signer: audience });
    return verified.ok && verified.body.validator === coordinator ? verified.signed : null;
  };
}
