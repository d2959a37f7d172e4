/** The devchain over HTTP: `POST /rpc/<method>` with a JSON object of arguments, on loopback only. For development, without access control. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CeliumError, ERRORS, errorBody } from '@celium/contract';
import { isSs58, type Ss58 } from '../keys/ss58.ts';
import type { At } from '../subnet-chain.ts';
import type { Devchain } from './devchain.ts';
import { LARGEST_OPERATION_BYTES, readOperation } from './operations.ts';
import type { DevchainPort } from './port.ts';

/** Every answer names the chain in this header, so that a client notices another one at the same address. */
export const GENESIS_HEADER = 'x-devchain-genesis';
const LARGEST_BODY_BYTES = LARGEST_OPERATION_BYTES * 2;
/** As much of a body that is too large is read, and dropped, before the connection is cut. */
const MOST_READ_BYTES = 16 * LARGEST_BODY_BYTES;
const LONGEST_WAIT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 30_000;

type Arguments = Readonly<Record<string, unknown>>;

/** How each method of the port reads its arguments. */
const METHODS: Readonly<
  Record<Exclude<keyof DevchainPort, 'close'>, (chain: DevchainPort, args: Arguments) => Promise<unknown>>
> = {
  identity: (chain) => chain.identity(),
  heads: (chain) => chain.heads(),
  subnet: (chain, args) => chain.subnet(readAt(args)),
  schedule: (chain, args) => chain.schedule(readAt(args)),
  neurons: (chain, args) => chain.neurons(readAt(args)),
  weights: (chain, args) => chain.weights(readCount(args, 'uid'), readAt(args)),
  alphaPrice: (chain, args) => chain.alphaPrice(readAt(args)),
  pendingWeights: (chain, args) => chain.pendingWeights(readAddress(args, 'hotkey'), readAt(args)),
  anchor: (chain, args) => chain.anchor(readAddress(args, 'hotkey'), readAt(args)),
  alphaStake: (chain, args) =>
    chain.alphaStake(readAddress(args, 'coldkey'), readAddress(args, 'hotkey'), readAt(args)),
  account: (chain, args) => chain.account(readAddress(args, 'who'), args['at'] === 'open' ? 'open' : readAt(args)),
  submit: (chain, args) => chain.submit(readOperation(args['operation'])),
  faucet: (chain, args) => chain.faucet(readAddress(args, 'to'), String(args['amount'])),
  inclusion: (chain, args) => chain.inclusion(readHash(args['txHash']), readWait(args)),
  finalizedBlocks: (chain, args) =>
    chain.finalizedBlocks(readCount(args, 'from'), readCount(args, 'limit'), readWait(args)),
};

/**
 * Serves a devchain on 127.0.0.1. Resolves when it listens; rejects with `PORT_IN_USE` when it cannot. Port 0 takes any.
 */
export async function serveDevchain(chain: Devchain, port: number): Promise<{ url: string; close(): Promise<void> }> {
  const { genesisHash } = await chain.identity();
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    response.setHeader(GENESIS_HEADER, genesisHash);
    answer(chain, request)
      .then((body) => send(response, 200, body))
      .catch((error: unknown) => {
        const body = errorBody(error);
        send(response, ERRORS[body.error.code].status, body);
      });
  });
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 500).unref();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE' || cause.code === 'EACCES';
      reject(
        taken ? new CeliumError('PORT_IN_USE', `the devchain cannot listen on 127.0.0.1:${port}`, { cause }) : cause,
      );
    });
    server.listen(port, '127.0.0.1', () => resolve());
  });
}

async function answer(chain: DevchainPort, request: IncomingMessage): Promise<unknown> {
  // A web page must not reach the chain through a name that resolves to loopback, nor with a form.
  if (!/^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(request.headers.host ?? '')) {
    throw new CeliumError('FORBIDDEN', 'the devchain answers on loopback only');
  }
  if (request.method === 'GET' && request.url === '/health') return { ok: true, ...(await chain.heads()) };
  const method = /^\/rpc\/([A-Za-z]+)$/.exec(request.url ?? '')?.[1] ?? '';
  if (request.method !== 'POST' || !Object.hasOwn(METHODS, method)) {
    throw new CeliumError('NOT_FOUND', 'the devchain has POST /rpc/<method> and GET /health');
  }
  if (!request.headers['content-type']?.startsWith('application/json')) {
    throw new CeliumError('BAD_REQUEST', 'send application/json');
  }
  return { result: await METHODS[method as keyof typeof METHODS](chain, await readBody(request)) };
}

async function readBody(request: IncomingMessage): Promise<Arguments> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= LARGEST_BODY_BYTES) chunks.push(chunk);
    // Leaving the loop cuts the connection, and who still sends would read a reset in place of the refusal: so what is too much is read on, to a bound.
    else if (length > MOST_READ_BYTES) break;
  }
  if (length > LARGEST_BODY_BYTES)
    throw new CeliumError('BAD_REQUEST', `a request has at most ${LARGEST_BODY_BYTES} bytes`);
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
    if (typeof body === 'object' && body !== null) return body as Arguments;
  } catch {
    // Falls through to the refusal: what is no JSON is no object either.
  }
  throw new CeliumError('BAD_REQUEST', 'the body must be a JSON object of arguments');
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function readAt(args: Arguments): At {
  const at = args['at'] ?? 'best';
  if (at === 'best' || at === 'finalized') return at;
  return { hash: readHash((at as { hash?: unknown }).hash) };
}

function readHash(value: unknown): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value;
  throw new CeliumError('BAD_REQUEST', 'a hash has 64 lowercase hex digits');
}

function readAddress(args: Arguments, name: string): Ss58 {
  const value = args[name];
  if (typeof value === 'string' && isSs58(value)) return value;
  throw new CeliumError('BAD_REQUEST', `${name} must be an SS58 address`);
}

function readCount(args: Arguments, name: string): number {
  const value = args[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new CeliumError('BAD_REQUEST', `${name} must be a whole number of 0 or more`);
}

function readWait(args: Arguments): number {
  return Math.min(LONGEST_WAIT_MS, readCount(args, 'waitMs'));
}
