/** What the client promises, against a real HTTP server in this process. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ERROR_CODES, ERRORS, type CeliumError } from '@celium/contract';
import { afterEach, expect, test } from 'vitest';
import { createClient } from './client.ts';

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

const servers: Server[] = [];
const noSleep = async (): Promise<void> => {};
const rentalId = '7b5f3f9e-51b4-4a53-9a55-0b6b1f1f2b11';

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(
  answer: (seen: Seen, response: ServerResponse, count: number) => void,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const entry = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
      seen.push(entry);
      answer(entry, response, seen.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

function reply(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function faultOf(promise: Promise<unknown>): Promise<CeliumError> {
  return await promise.then(
    () => {
      throw new Error('the call went through');
    },
    (fault: CeliumError) => fault,
  );
}

test('a call fills path, query and body from the route table and sends the key', async () => {
  const { url, seen } = await serve((_, response) => reply(response, 200, { lines: [] }));
  const client = createClient({ baseUrl: `${url}/`, apiKey: 'cel_live_x' });
  expect(await client.call('listLedger', { query: { rentalId, limit: 5 } })).toEqual({ lines: [] });
  expect(seen[0]).toMatchObject({ method: 'GET', url: `/v1/ledger?rentalId=${rentalId}&limit=5` });
  expect(seen[0]?.headers.authorization).toBe('Bearer cel_live_x');
});

test('a public route is called without the key', async () => {
  const { url, seen } = await serve((_, response) => reply(response, 200, { offers: [] }));
  await createClient({ baseUrl: url, apiKey: 'cel_live_x' }).call('listOffers');
  expect(seen[0]?.headers.authorization).toBeUndefined();
  expect(seen[0]?.url).toBe('/v1/offers?rentable=true&limit=200');
});

test('a repeated attempt of an idempotent call carries the same key and body', async () => {
  const balance = { transferId: rentalId, availableMicroUsd: '5' };
  const { url, seen } = await serve((_, response, count) =>
    count < 3 ? reply(response, 503, {}) : reply(response, 201, balance),
  );
  const client = createClient({ baseUrl: url, sleep: noSleep });
  const body = { email: 'a@example.org', amountMicroUsd: '5' };
  expect(await client.call('grantCredit', { body })).toEqual(balance);
  expect(seen).toHaveLength(3);
  expect(new Set(seen.map((one) => one.headers['idempotency-key'])).size).toBe(1);
  expect(seen[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(new Set(seen.map((one) => one.body)).size).toBe(1);
});

test('tries are bounded, and a call that may not be repeated is tried once', async () => {
  const { url, seen } = await serve((_, response) => reply(response, 503, {}));
  const client = createClient({ baseUrl: url, sleep: noSleep });
  expect((await faultOf(client.call('listOffers'))).code).toBe('MARKET_UNAVAILABLE');
  expect(seen).toHaveLength(3);
  const body = { email: 'a@example.org', password: 'correct horse' };
  expect((await faultOf(client.call('signUp', { body }))).code).toBe('MARKET_UNAVAILABLE');
  expect(seen).toHaveLength(4);
});

test('every error code of the table arrives as itself, with its words and details', async () => {
  const { url } = await serve((seen, response) => {
    const code = decodeURIComponent(
      new URL(seen.url, 'http://x').searchParams.get('class') ?? '',
    ) as keyof typeof ERRORS;
    const error = { code, message: `about ${code}`, remedy: ERRORS[code].remedy, details: { of: code } };
    reply(response, ERRORS[code].status, { error });
  });
  const client = createClient({ baseUrl: url, sleep: noSleep });
  for (const code of ERROR_CODES) {
    const fault = await faultOf(client.call('listOffers', { query: { class: code } }));
    expect(fault).toMatchObject({ code, message: `about ${code}`, remedy: ERRORS[code].remedy, details: { of: code } });
  }
});

test('nothing listening, a late answer and a page of a proxy each have their own code', async () => {
  const closed = await closedPort();
  const nothing = createClient({ baseUrl: `http://127.0.0.1:${closed}`, sleep: noSleep });
  const gone = await faultOf(nothing.call('getMarket'));
  expect(gone.code).toBe('MARKET_UNAVAILABLE');
  expect(gone.message).toBe(
    `The market at http://127.0.0.1:${closed} does not answer: nothing listens there (ECONNREFUSED).`,
  );
  const { url } = await serve((seen, response) => {
    if (seen.url === '/v1/market') return;
    response.writeHead(404, { 'content-type': 'text/html' });
    response.end('<html>');
  });
  const client = createClient({ baseUrl: url, sleep: noSleep });
  expect((await faultOf(client.call('getMarket', { timeoutMs: 50 }))).code).toBe('TIMEOUT');
  expect((await faultOf(client.call('listOffers'))).code).toBe('NOT_FOUND');
});

test('input that is not of the route’s form never leaves the client', async () => {
  const { url, seen } = await serve((_, response) => reply(response, 200, {}));
  const client = createClient({ baseUrl: url });
  const fault = await faultOf(client.call('getRental', { params: { rentalId: '../balance' } }));
  expect(fault.code).toBe('BAD_REQUEST');
  expect(fault.message).toMatch(/^getRental: params.rentalId: /);
  expect(seen).toHaveLength(0);
});

test('an answer of an unknown form is refused with the field that does not fit', async () => {
  const { url } = await serve((_, response) => reply(response, 200, { offers: 7 }));
  const fault = await faultOf(createClient({ baseUrl: url }).call('listOffers'));
  expect(fault.code).toBe('DOCUMENT_UNKNOWN');
  expect(fault.message).toContain('offers');
});

test('waiting for a state adds the market’s waiting to the deadline', async () => {
  const { url } = await serve((_, response) => {
    setTimeout(() => reply(response, 404, { error: { code: 'NOT_FOUND', message: 'no' } }), 120);
  });
  const client = createClient({ baseUrl: url, apiKey: 'k' });
  const input = { params: { rentalId }, timeoutMs: 50 };
  expect((await faultOf(client.call('getRental', input))).code).toBe('TIMEOUT');
  const waiting = { ...input, query: { waitFor: 'running', waitMs: 5_000 } } as const;
  expect((await faultOf(client.call('getRental', waiting))).code).toBe('NOT_FOUND');
});

test('a caller’s signal ends a call at once with its own reason', async () => {
  const { url } = await serve(() => {});
  const reason = new Error('enough');
  const abort = new AbortController();
  const call = createClient({ baseUrl: url }).call('getMarket', { signal: abort.signal });
  abort.abort(reason);
  await expect(call).rejects.toBe(reason);
});

test('an address that is none is refused with words', () => {
  expect(() => createClient({ baseUrl: 'localhost' })).toThrow('write http://host:port');
  expect(() => createClient({ baseUrl: 'file:///etc/passwd' })).toThrow('http or https');
});
