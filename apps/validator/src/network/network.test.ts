/** What a validator's network does with hosts that strangers named: pinned, sized, timed, kept off private addresses; and the link that makes it worse. */

import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { keyFromUri, MemoryNonceStore, RequestSigner, verifyRequest } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { takeLease } from '../check/lease.ts';
import { openCheckBench } from '../testing/check-bench.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { isPrivateAddress } from '@celium/domain';
import { resolveAddress } from './addresses.ts';
import { createAgentClient } from './agent-client.ts';
import { createNetwork } from './json-over-http.ts';
import { parseLink, shapeSocket } from './link.ts';

const pem = readFileSync(new URL('../testing/golden/tls.pem', import.meta.url), 'utf8');
const tlsKeyHash = createHash('sha256')
  .update(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
  .digest('hex');

const open: Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    if ('closeAllConnections' in server) (server as http.Server).closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const fault = await promise.then(
    () => new Error('it went through'),
    (error: unknown) => error,
  );
  return fault instanceof CeliumError ? fault.code : String(fault);
}

const local = createNetwork({ allowPrivate: true });
const limits = { timeoutMs: 2_000, maxBytes: 1_000 };

test('private, loopback, link-local and embedded addresses are refused without --allow-private', async () => {
  const refused = [
    '127.0.0.1',
    '10.1.2.3',
    '192.168.0.1',
    '172.31.255.255',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
  ];
  for (const address of [...refused, '::1', 'fe80::1', 'fd00::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::'])
    expect(isPrivateAddress(address), address).toBe(true);
  for (const address of ['1.1.1.1', '172.32.0.1', '2606:4700::1111']) expect(isPrivateAddress(address)).toBe(false);
  expect(await codeOf(resolveAddress('localhost', false))).toBe('FORBIDDEN');
  expect(await resolveAddress('localhost', true)).toMatch(/^(127\.0\.0\.1|::1)$/);
  const open_ = createNetwork({ allowPrivate: false });
  expect(await codeOf(open_.request({ method: 'GET', url: 'http://127.0.0.1:1/', ...limits }))).toBe('FORBIDDEN');
  expect(await codeOf(open_.request({ method: 'GET', url: 'http://[::1]:1/', ...limits }))).toBe('FORBIDDEN');
});

test('an answer larger than allowed, none in time, and none at all each have their own code', async () => {
  const large = await listen(http.createServer((_request, response) => response.end('x'.repeat(2_000))));
  const silent = await listen(createServer());
  expect(await codeOf(local.request({ method: 'GET', url: `http://127.0.0.1:${large}/`, ...limits }))).toBe(
    'BAD_REQUEST',
  );
  const late = local.request({ method: 'GET', url: `http://127.0.0.1:${silent}/`, timeoutMs: 100, maxBytes: 10 });
  expect(await codeOf(late)).toBe('TIMEOUT');
  expect(await codeOf(local.request({ method: 'GET', url: 'http://127.0.0.1:1/', ...limits }))).toBe(
    'AGENT_UNAVAILABLE',
  );
});

test('a server with another TLS key than the manifest’s is told nothing', async () => {
  let requests = 0;
  const server = https.createServer({ key: pem, cert: pem }, (_request, response) => {
    requests += 1;
    response.end('{"ok":true}');
  });
  const url = `https://127.0.0.1:${await listen(server)}/`;
  expect(await codeOf(local.request({ method: 'GET', url, ...limits, tlsKeyHash: '00'.repeat(32) }))).toBe(
    'KEY_NOT_DELEGATED',
  );
  expect(requests).toBe(0);
  expect(await local.request({ method: 'GET', url, ...limits, tlsKeyHash })).toEqual({
    status: 200,
    json: { ok: true },
  });
});

test('an agent gets requests signed for its machine key, and its refusals are checked before they count', async () => {
  const agent = new LocalAgent({ nowMs: Date.now });
  const me = keyFromUri('//me');
  const now = (): number => Date.now();
  const nonces = new MemoryNonceStore(now);
  const signers: string[] = [];
  const server = https.createServer({ key: pem, cert: pem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const parts = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      void verifyRequest(parts, { self: agent.key, now, nonces }).then(async (checked) => {
        signers.push(checked.ok ? checked.ss58 : checked.code);
        const answer = await agent.requestLease(null, JSON.parse(body.toString()));
        const error = { code: 'UNITS_BUSY', message: 'busy', details: answer.kind === 'refused' ? answer : {} };
        response.statusCode = answer.kind === 'granted' ? 200 : 409;
        response.end(JSON.stringify(answer.kind === 'granted' ? { grant: answer.grant } : { error }));
      });
    });
  });
  const address = { ...agent.machine, agentUrl: `https://127.0.0.1:${await listen(server)}`, tlsKeyHash };
  const client = createAgentClient(
    local,
    new RequestSigner(me, { now, randomBytes: (n) => crypto.getRandomValues(new Uint8Array(n)) }),
  );
  const bench = openCheckBench({ agent });
  const ports = { ...bench.ports, agent: client, hotkey: me };
  const sshKey = bench.ports.shells.newClientKey().publicLine;
  const leased = await takeLease(ports, address, address.units, sshKey);
  expect(leased.kind).toBe('leased');
  expect(await takeLease(ports, address, address.units, sshKey)).toMatchObject({ kind: 'busy' });
  expect(signers).toEqual([me.ss58, me.ss58]);
  const impostor = { ...address, machineKey: 'ab'.repeat(32) };
  expect(await takeLease(ports, impostor, address.units, sshKey)).toMatchObject({
    kind: 'refused',
    code: 'UNITS_BUSY',
  });
  expect(signers.at(-1)).toBe('AUDIENCE_WRONG');
  bench.close();
});

test('a link is written as delay, loss and rate, and anything else is refused with words', () => {
  expect(parseLink('delay=250,loss=0.05,rate=125000')).toEqual({
    delayMs: 250,
    lossRatio: 0.05,
    rateBytesPerSecond: 125_000,
  });
  expect(parseLink('')).toEqual({ delayMs: 0, lossRatio: 0, rateBytesPerSecond: 0 });
  for (const text of ['delay', 'delay=', 'delay=-1', 'delay=999999', 'loss=1', 'jitter=3', 'delay=1e3', 'rate=x'])
    expect(() => parseLink(text), text).toThrow(/--link/);
});

test('a link delays each way once it has begun, and keeps every byte in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), { minLength: 1, maxLength: 20 }),
      async (chunks) => {
        const port = await listen(createServer((socket) => void socket.pipe(socket)));
        const socket = await new Promise<Socket>((resolve) => {
          const made = connect(port, '127.0.0.1', () => resolve(made));
        });
        const { stream, begin } = shapeSocket(socket, { delayMs: 20, lossRatio: 0, rateBytesPerSecond: 0 });
        begin();
        const startedAtMs = performance.now();
        let firstMs = 0;
        const echoed: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => {
          firstMs ||= performance.now() - startedAtMs;
          echoed.push(chunk);
        });
        const ended = new Promise((resolve) => stream.once('end', resolve));
        for (const chunk of chunks) stream.write(chunk);
        stream.end();
        await ended;
        stream.destroy();
        expect(firstMs).toBeGreaterThanOrEqual(38);
        expect(Buffer.concat(echoed)).toEqual(Buffer.concat(chunks));
      },
    ),
    { numRuns: 5 },
  );
});
