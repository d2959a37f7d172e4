/** JSON over HTTP(S) to hosts that strangers named: resolved once, kept off private networks, sized, timed, and pinned to a TLS key where one is known. */

import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { CeliumError, parseStrangersJson } from '@celium/contract';
import type { JsonAnswer, NetworkPort } from '../ports.ts';
import { resolveAddress } from './addresses.ts';

/** The network as a validator uses it; `allowPrivate` opens loopback and private addresses. */
export function createNetwork(options: { allowPrivate: boolean }): NetworkPort {
  return {
    async request(ask) {
      const url = new URL(ask.url);
      if (url.protocol !== 'http:' && url.protocol !== 'https:')
        throw new CeliumError('BAD_REQUEST', `${ask.url} is no http(s) address.`);
      const deadline = AbortSignal.timeout(ask.timeoutMs);
      const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
      let socket: net.Socket | undefined;
      try {
        const address = await within(resolveAddress(url.hostname, options.allowPrivate), deadline);
        socket = await connect(url, address, port, deadline);
        if (ask.tlsKeyHash !== undefined) checkTlsKey(socket, ask.tlsKeyHash, url.host);
        return await exchange(socket, url, ask, deadline);
      } catch (cause) {
        if (cause instanceof CeliumError) throw cause;
        if (deadline.aborted)
          throw new CeliumError('TIMEOUT', `${url.origin} did not answer within ${ask.timeoutMs} ms.`, { cause });
        throw new CeliumError('AGENT_UNAVAILABLE', `${url.origin} does not answer: ${wordsOf(cause)}.`, { cause });
      } finally {
        socket?.destroy();
      }
    },
  };
}

/** SHA-256 of a TLS server's public key (SubjectPublicKeyInfo, DER), hex; null when it showed no certificate. */
export function tlsKeyHashOf(socket: net.Socket): string | null {
  const certificate = socket instanceof tls.TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return null;
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

function checkTlsKey(socket: net.Socket, expected: string, host: string): void {
  if (tlsKeyHashOf(socket) !== expected)
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `${host} shows another TLS key than its manifest names: nothing was sent to it.`,
    );
}

/** A connected socket. The certificate's chain is not checked: a signed manifest or its key hash says who that is. */
function connect(url: URL, address: string, port: number, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const name = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const socket = secure
      ? tls.connect({
          host: address,
          port,
          rejectUnauthorized: false,
          ...(net.isIP(name) === 0 ? { servername: name } : {}),
        })
      : net.connect({ host: address, port });
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(cause instanceof Error ? cause : new Error(String(cause)));
    };
    const abort = (): void => fail(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** One request and its answer on a connected socket; never more than `maxBytes` are kept. */
function exchange(
  socket: net.Socket,
  url: URL,
  ask: Parameters<NetworkPort['request']>[0],
  signal: AbortSignal,
): Promise<JsonAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      createConnection: () => socket,
      method: ask.method,
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        accept: 'application/json',
        connection: 'close',
        ...(ask.body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(ask.body) }),
        ...ask.headers,
      },
      signal,
    });
    const closed = (): void => reject(new Error('the connection was closed without a whole answer'));
    // Without an answer, or with one that switches protocols, Node may close a request and say no more than that.
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    request.once('error', reject);
    request.once('close', closed);
    request.once('response', (response) => {
      request.off('close', closed);
      response.once('close', closed);
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= ask.maxBytes) return void chunks.push(chunk);
        reject(new CeliumError('BAD_REQUEST', `${url.origin} answered with more than ${ask.maxBytes} bytes.`));
        request.destroy();
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, json: parseJson(Buffer.concat(chunks).toString('utf8')) }),
      );
    });
    request.end(ask.body);
  });
}

function parseJson(text: string): unknown {
  try {
    return parseStrangersJson(text);
  } catch {
    return null;
  }
}

function within<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    promise.then(resolve, reject);
  });
}

/** Node hides the reason of a refused connection in a code. */
function wordsOf(cause: unknown): string {
  const code = (cause as { code?: unknown }).code;
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  return typeof code === 'string' ? code : String((cause as { message?: unknown }).message ?? cause).slice(0, 200);
}
