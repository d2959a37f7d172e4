/** A validator's end of the agent's HTTPS API, for tests: signed requests over TLS whose key is pinned by hash. */
import { createHash } from 'node:crypto';
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { signRequest, toHex, type KeyPair } from '@celium/chain';
import type { ManifestMachine } from '@celium/contract';
import { fresh } from './market.ts';

export interface ApiAnswer {
  status: number;
  body: Record<string, unknown> & { error?: { code: string; message: string; details?: Record<string, unknown> } };
}

const TIMEOUT_MS = 40_000;

/** Calls the agent; unsigned without `key`. `headers` replaces signed ones, `audience` the machine key. */
export async function callAgent(
  machine: ManifestMachine,
  method: 'GET' | 'POST',
  path: string,
  options: { key?: KeyPair; body?: unknown; audience?: string; headers?: Record<string, string> } = {},
): Promise<ApiAnswer> {
  const body = options.body === undefined ? '' : JSON.stringify(options.body);
  const audience = options.audience ?? machine.machineKey;
  const clock = { now: Date.now, randomBytes: fresh };
  const signed =
    options.headers ??
    (options.key === undefined ? {} : await signRequest({ method, path, body, audience }, options.key, clock));
  const url = new URL(path, machine.agentUrl);
  return await new Promise<ApiAnswer>((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        agent: false,
        rejectUnauthorized: false,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { ...signed, ...(body === '' ? {} : { 'content-type': 'application/json' }) },
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => (text += chunk));
        incoming.once('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) as ApiAnswer['body'] }),
        );
      },
    );
    outgoing.once('socket', (socket) =>
      socket.once('secureConnect', () => {
        const { pubkey } = (socket as TLSSocket).getPeerCertificate();
        const key = (socket as TLSSocket).getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
        const hash = createHash('sha256')
          .update(key ?? pubkey ?? '')
          .digest('hex');
        if (hash !== machine.tlsKeyHash) outgoing.destroy(new Error(`another TLS key answers: ${hash}`));
      }),
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

/** Signed headers that a test may replay. */
export async function signedHeaders(
  machine: ManifestMachine,
  key: KeyPair,
  method: 'GET' | 'POST',
  path: string,
): Promise<Record<string, string>> {
  return await signRequest({ method, path, audience: machine.machineKey }, key, { now: Date.now, randomBytes: fresh });
}

/** A key's public half in hex. */
export function hexOf(key: KeyPair): string {
  return toHex(key.publicKey);
}
