/** A direct look at the container engine: what an agent has in it. */

import { request } from 'node:http';
import { CeliumError } from '@celium/contract';

/** Labels that an agent puts on everything it makes (apps/agent, plain-profile.ts). */
export const AGENT_LABEL = 'org.celium.agent';
export const LEASE_LABEL = 'org.celium.lease';

const CALL_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** A container of one agent. */
export interface SeenContainer {
  id: string;
  leaseId: string;
}

/** Asks the engine; answers the parsed JSON. Throws `ENGINE_UNAVAILABLE` when it does not answer or refuses. */
export async function askEngine<Answer>(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<Answer> {
  return await new Promise<Answer>((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
        headers: {
          host: 'docker',
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength;
          if (bytes > MAX_ANSWER_BYTES) response.destroy(new Error('the engine sent more than 16 MiB'));
          else chunks.push(chunk);
        });
        response.once('error', reject);
        response.once('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          if (status < 400) resolve((answer === '' ? null : JSON.parse(answer)) as Answer);
          else
            reject(
              new CeliumError(
                'ENGINE_UNAVAILABLE',
                `The engine answered ${method} ${path} with ${status}: ${answer.slice(0, 300)}`,
              ),
            );
        });
      },
    );
    call.once('error', (cause) =>
      reject(
        new CeliumError('ENGINE_UNAVAILABLE', `The engine on ${socketPath} does not answer: ${cause.message}.`, {
          cause,
        }),
      ),
    );
    call.end(text);
  });
}

/** All containers of an agent, running or not. */
export async function listContainers(socketPath: string, machineKey: string): Promise<SeenContainer[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`${AGENT_LABEL}=${machineKey}`] }));
  const listed = await askEngine<Array<{ Id: string; Labels: Record<string, string> }>>(
    socketPath,
    'GET',
    `/containers/json?all=1&filters=${filters}`,
  );
  return listed.map((one) => ({ id: one.Id, leaseId: one.Labels[LEASE_LABEL] ?? '' }));
}
