/** Servers that answer as no server should: every one ends in a code within the time, and nothing beyond the bound is kept. */

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { CeliumError } from '@celium/contract';
import { afterEach, expect, test } from 'vitest';
import { createNetwork } from './json-over-http.ts';

const network = createNetwork({ allowPrivate: true });
/** What is slow on purpose is given up after this; everything else ends by itself long before. */
const TIMEOUT_MS = 700;
const MAX_BYTES = 20_000;

const open: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) server.close();
});

/** What comes of one request to a server that does `serve` with each connection. */
async function ask(serve: (socket: Socket) => void): Promise<unknown> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => serve(socket));
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/leases`;
  try {
    return await network.request({ method: 'GET', url, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
  } catch (fault) {
    return fault instanceof CeliumError ? fault.code : fault;
  }
}

/** Writes the same again and again, as long as the other side takes it. */
function pour(socket: Socket, text: string): void {
  while (!socket.destroyed && socket.write(text));
  socket.once('drain', () => pour(socket, text));
}

/** Writes `head` and then, slowly and without an end, `text`. */
function drip(socket: Socket, head: string, text: string): void {
  socket.write(head);
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write(text)), 20);
}

const OK = 'HTTP/1.1 200 OK\r\n';

test('answers without an end, in the head, in chunks, in the body or before the answer, are cut off', async () => {
  expect(await ask((socket) => pour(socket, 'x'.repeat(1_000)))).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => pour(socket, `${OK}x-a: ${'x'.repeat(500)}\r\n`))).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => pour(socket, `${OK}\r\n${'x'.repeat(1_000)}`))).toBe('BAD_REQUEST');
  expect(
    await ask((socket) => pour(socket, `${OK}transfer-encoding: chunked\r\n\r\n400\r\n${'x'.repeat(1_024)}\r\n`)),
  ).toMatch(/BAD_REQUEST|AGENT_UNAVAILABLE/);
  const extension = `${OK}transfer-encoding: chunked\r\n\r\n1;${'x'.repeat(1_000)}`;
  expect(await ask((socket) => pour(socket, extension))).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n'))).toMatch(
    /TIMEOUT|AGENT_UNAVAILABLE/,
  );
});

test('answers that come byte by byte, or not at all, are given up when the time is over', async () => {
  expect(await ask(() => {})).toBe('TIMEOUT');
  expect(await ask((socket) => drip(socket, 'H', 'T'))).toMatch(/TIMEOUT|AGENT_UNAVAILABLE/);
  expect(await ask((socket) => drip(socket, `${OK}content-length: 5000\r\n\r\n`, ' '))).toBe('TIMEOUT');
  expect(await ask((socket) => drip(socket, `${OK}transfer-encoding: chunked\r\n\r\n`, '1\r\n \r\n'))).toBe('TIMEOUT');
});

test('connections that break, switch protocols or contradict themselves end with a code', async () => {
  expect(await ask((socket) => socket.destroy())).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => socket.end(`${OK}content-length: 500\r\n\r\n{"a"`))).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => socket.end(`${OK}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`))).toBe(
    'AGENT_UNAVAILABLE',
  );
  expect(await ask((socket) => socket.end(`${OK}content-length: -1\r\n\r\n{}`))).toBe('AGENT_UNAVAILABLE');
  expect(
    await ask(
      (socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'),
    ),
  ).toBe('AGENT_UNAVAILABLE');
  expect(await ask((socket) => socket.end('\u0000\u001b[2J\r\n\r\n'))).toBe('AGENT_UNAVAILABLE');
});

test('a redirect is not followed, and a compressed answer is not unpacked', async () => {
  const elsewhere = 'HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n';
  expect(await ask((socket) => socket.end(elsewhere))).toEqual({ status: 302, json: null });
  const bomb = gzipSync(Buffer.alloc(10_000_000, ' '));
  const head = `${OK}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`;
  expect(await ask((socket) => socket.end(Buffer.concat([Buffer.from(head), bomb])))).toEqual({
    status: 200,
    json: null,
  });
});

test('an answer of brackets only is no JSON, and costs what its length costs', async () => {
  const body = '['.repeat(MAX_BYTES);
  expect(await ask((socket) => socket.end(`${OK}content-length: ${body.length}\r\n\r\n${body}`))).toEqual({
    status: 200,
    json: null,
  });
});
