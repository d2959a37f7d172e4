/** The agent's signed HTTPS API as an `AgentPort`: requests signed for the machine key, the TLS key pinned to the manifest's. */

import { clockOfErrorBody, verifyDocument, type RequestSigner } from '@celium/chain';
import { AGENT_API, CeliumError, leaseStatus, type Signed } from '@celium/contract';
import { printable } from '@celium/domain';
import type { AgentAddress, AgentPort, CommandAnswer, JsonAnswer, LeaseAnswer, NetworkPort } from '../ports.ts';

/** For one call; a grant comes at once, pods are waited for by polling. */
const CALL_TIMEOUT_MS = 15_000;
/** A grant or a refusal has at most 64 KiB, a lease's status some hundred bytes and the agent's words. */
const MAX_LEASE_BYTES = 98_304;
const MAX_STATUS_BYTES = 16_384;
/** The form of a code of the error table, whichever version of it the agent has. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

/** Talks to agents over `network`, signing with `signer`. */
export function createAgentClient(network: NetworkPort, signer: RequestSigner): AgentPort {
  async function call(
    agent: AgentAddress,
    method: 'GET' | 'POST',
    path: string,
    maxBytes: number,
    document?: unknown,
  ): Promise<JsonAnswer> {
    const body = document === undefined ? undefined : JSON.stringify(document);
    const url = new URL(path, agent.agentUrl);
    const signedPath = `${url.pathname}${url.search}`;
    return signer.call(
      { method, path: signedPath, audience: agent.machineKey, ...(body === undefined ? {} : { body }) },
      (headers) =>
        network.request({
          method,
          url: url.href,
          headers,
          timeoutMs: CALL_TIMEOUT_MS,
          maxBytes,
          tlsKeyHash: agent.tlsKeyHash,
          ...(body === undefined ? {} : { body }),
        }),
      (answer) => clockOfErrorBody(answer.json),
    );
  }

  async function statusOf(agent: AgentAddress, ask: () => Promise<JsonAnswer>): Promise<CommandAnswer> {
    let answer: JsonAnswer;
    try {
      answer = await ask();
    } catch (fault) {
      return { kind: 'error', ...faultOf(fault), reachable: false };
    }
    if (answer.status === 200) {
      const parsed = leaseStatus.safeParse((answer.json as { lease?: unknown } | null)?.lease);
      if (parsed.success) return { kind: 'done', lease: parsed.data };
      return {
        kind: 'error',
        code: 'BAD_REQUEST',
        message: `${agent.agentUrl} answered with no lease`,
        reachable: true,
      };
    }
    return { kind: 'error', ...errorOf(answer), reachable: true };
  }

  return {
    async requestLease(agent, request) {
      let answer: JsonAnswer;
      try {
        answer = await call(agent, 'POST', AGENT_API.leases, MAX_LEASE_BYTES, request);
      } catch (fault) {
        return { kind: 'error', ...faultOf(fault), reachable: false };
      }
      return readLeaseAnswer(agent, request, answer);
    },
    leaseStatus: (agent, leaseId) =>
      statusOf(agent, () => call(agent, 'GET', AGENT_API.lease(leaseId), MAX_STATUS_BYTES)),
    command: (agent, command) =>
      statusOf(agent, () => call(agent, 'POST', AGENT_API.commands(command.body.leaseId), MAX_STATUS_BYTES, command)),
  };
}

function readLeaseAnswer(agent: AgentAddress, request: Signed<'lease-request'>, answer: JsonAnswer): LeaseAnswer {
  const body = answer.json as { grant?: unknown; error?: { details?: { refusal?: unknown } } } | null;
  if (answer.status === 200) {
    const grant = verifyDocument('grant', body?.grant, { signer: agent.machineKey });
    if (!grant.ok) return { kind: 'error', code: grant.code, message: grant.message, reachable: true };
    return { kind: 'granted', grant: grant.signed };
  }
  const shown = body?.error?.details?.refusal;
  if (shown !== undefined) {
    const refusal = verifyDocument('lease-refusal', shown, { signer: agent.machineKey });
    if (refusal.ok && refusal.body.requestId === request.body.requestId && refusal.body.machineId === agent.machineId)
      return { kind: 'refused', refusal: refusal.signed };
  }
  return { kind: 'error', ...errorOf(answer), reachable: true };
}

function errorOf(answer: JsonAnswer): { code: string; message: string } {
  const error = (answer.json as { error?: { code?: unknown; message?: unknown } } | null)?.error;
  return {
    code: typeof error?.code === 'string' && CODE.test(error.code) ? error.code : `HTTP_${answer.status}`,
    message:
      typeof error?.message === 'string' ? printable(error.message, 300) : `the agent answered HTTP ${answer.status}`,
  };
}

function faultOf(fault: unknown): { code: string; message: string } {
  if (fault instanceof CeliumError) return { code: fault.code, message: fault.message };
  return { code: 'AGENT_UNAVAILABLE', message: String(fault).slice(0, 300) };
}
