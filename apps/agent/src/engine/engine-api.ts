/** Short questions to a Docker Engine over its unix socket, each with a deadline; streams go through dockerode. */
import { request } from 'node:http';

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

/** An answer of the engine: HTTP status and body text. */
export type EngineAnswer = { status: number; body: string };

/** One request with a deadline. The path carries no API version: engines disagree about which they accept. */
export async function callEngine(
  socketPath: string,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  options: { timeoutMs: number; body?: unknown },
): Promise<EngineAnswer> {
  return await new Promise<EngineAnswer>((resolve, reject) => {
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    const outgoing = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        signal: AbortSignal.timeout(options.timeoutMs),
        headers: {
          host: 'docker',
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
      },
      (incoming) => {
        let body = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          body += chunk;
          if (body.length > MAX_ANSWER_BYTES) incoming.destroy(new Error('the engine sent more than 4 MiB'));
        });
        incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, body }));
        incoming.once('error', reject);
      },
    );
    outgoing.once('error', reject);
    outgoing.end(payload);
  });
}

/** True when an engine answers on the socket within the deadline. */
export async function pingEngine(socketPath: string, timeoutMs = 2000): Promise<boolean> {
  try {
    return (await callEngine(socketPath, 'GET', '/_ping', { timeoutMs })).status === 200;
  } catch {
    return false;
  }
}

/** What we read from `docker info`; `remap` is the host uid and gid that root in a container really is. */
export type EngineFacts = {
  serverVersion: string;
  storageDriver: string;
  dataRoot: string;
  remap: { uid: number; gid: number } | null;
};

/** Asks the engine what it is. Throws when it does not answer. */
export async function readEngineFacts(socketPath: string, timeoutMs = 5000): Promise<EngineFacts> {
  const answer = await callEngine(socketPath, 'GET', '/info', { timeoutMs });
  if (answer.status !== 200) throw new Error(`docker info answered ${answer.status}: ${answer.body.slice(0, 200)}`);
  const info = JSON.parse(answer.body) as {
    ServerVersion?: string;
    Driver?: string;
    DockerRootDir?: string;
    SecurityOptions?: string[] | null;
  };
  const dataRoot = info.DockerRootDir ?? '';
  const remapped = (info.SecurityOptions ?? []).some((option) => option.split(',').includes('name=userns'));
  const ids = /\/(\d+)\.(\d+)$/.exec(dataRoot);
  return {
    serverVersion: info.ServerVersion ?? 'unknown',
    storageDriver: info.Driver ?? 'unknown',
    dataRoot,
    remap: remapped && ids ? { uid: Number(ids[1]), gid: Number(ids[2]) } : null,
  };
}
