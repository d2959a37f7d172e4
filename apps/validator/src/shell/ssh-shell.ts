/** Interactive shells over SSH, the host key pinned to the grant's: with another key the handshake ends before anything is sent. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { printableAscii } from '@celium/domain';
import ssh2, { type Client, type ClientChannel, type KexAlgorithm, type ServerHostKeyAlgorithm } from 'ssh2';
import { resolveAddress } from '../network/addresses.ts';
import { shapeSocket, type Link } from '../network/link.ts';
import { limitBytes } from './byte-budget.ts';
import { makeClientKey } from './client-key.ts';
import type { RandomBytes, Shell, ShellConnection, ShellFault, ShellPort, ShellTarget } from '../ports.ts';

/** For the connection, for key exchange and login, and for a shell. */
const CONNECT_TIMEOUT_MS = 15_000;
/** A pod that was just reported ready may still need a moment; refused connections are tried again within this time. */
const REFUSED_FOR_MS = 10_000;
const REFUSED_PAUSE_MS = 250;

/** What a server may send before somebody is logged in: greetings, key exchange, banners. */
const MAX_LOGIN_BYTES = 262_144;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * What every OpenSSH of the last ten years speaks. Left out is what lets a server choose how much work or memory a client spends: primes of its own,
 * whose test takes seconds, and compression, which turns a small packet into a large one.
 */
const KEY_EXCHANGES: KexAlgorithm[] = [
  'curve25519-sha256',
  'curve25519-sha256@libssh.org',
  'ecdh-sha2-nistp256',
  'ecdh-sha2-nistp384',
  'ecdh-sha2-nistp521',
];

const HOST_KEY_ALGORITHMS: ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/**
 * Shells through ssh2. `allowPrivate` opens private addresses. `link` makes the path worse from the first shell on: a login takes some ten round
 * trips, which would only make a test of a long delay ten times longer.
 */
export function createSshShells(options: {
  allowPrivate: boolean;
  randomBytes: RandomBytes;
  link?: Link | undefined;
}): ShellPort {
  return {
    newClientKey: () => makeClientKey(options.randomBytes),
    async connect(target, signal) {
      let socket: Socket;
      try {
        const address = await resolveAddress(target.host, options.allowPrivate);
        socket = await dial(address, target.port, signal);
      } catch (cause) {
        return unreachable(cause);
      }
      if (options.link === undefined) return logIn(socket, target, () => {}, signal);
      const { stream, begin } = shapeSocket(socket, options.link);
      return logIn(stream, target, begin, signal);
    },
  };
}

/** SHA-256 (hex) of the key blob in a public key line. */
export function hashOfHostKeyLine(line: string): string {
  const [, base64 = ''] = line.split(' ');
  return sha256Hex(Buffer.from(base64, 'base64'));
}

async function dial(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const untilMs = performance.now() + REFUSED_FOR_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await dialOnce(address, port, signal);
    } catch (cause) {
      if ((cause as { code?: unknown }).code !== 'ECONNREFUSED' || performance.now() > untilMs) throw cause;
      await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS * (0.5 + Math.random())));
    }
  }
}

function dialOnce(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, noDelay: true });
    const stop = (cause: Error): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(cause);
    };
    const onAbort = (): void => stop(new Error('the check was given up'));
    const timer = setTimeout(
      () => stop(new Error(`no TCP connection within ${CONNECT_TIMEOUT_MS} ms`)),
      CONNECT_TIMEOUT_MS,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', stop);
    socket.once('connect', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', stop);
      resolve(socket);
    });
  });
}

function logIn(
  socket: Duplex,
  target: ShellTarget,
  onShell: () => void,
  signal: AbortSignal,
): Promise<ShellConnection | ShellFault> {
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    const expected = Buffer.from(target.hostKey.split(' ')[1] ?? '', 'base64');
    let seenHostKeyHash: string | null = null;
    let mismatch = false;
    let settled = false;
    let isLoggedIn = false;
    const settle = (answer: ShellConnection | ShellFault): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      if (!('openShell' in answer)) {
        client.destroy();
        socket.destroy();
      }
      resolve(answer);
    };
    const fail = (words: unknown): void =>
      settle(
        mismatch && seenHostKeyHash !== null ? { kind: 'host-key-mismatch', seenHostKeyHash } : unreachable(words),
      );
    const onAbort = (): void => fail('the check was given up');
    const timer = setTimeout(() => fail(`no login within ${CONNECT_TIMEOUT_MS} ms`), CONNECT_TIMEOUT_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    client.on('error', fail);
    const end = (words: string): void => {
      fail(words);
      client.destroy();
      socket.destroy();
    };
    limitBytes(
      socket,
      () => (isLoggedIn ? (target.maxBytes ?? MAX_BYTES) : MAX_LOGIN_BYTES),
      () => end('the server sends more than a login has'),
    );
    // New keys are due after an hour or a gigabyte: a server that wants them sooner wants our time.
    client.once('handshake', () => client.on('handshake', () => end('the server wants new keys again and again')));
    client.on('close', () => fail('the connection was closed before the login'));
    client.on('ready', () => {
      if (seenHostKeyHash === null) return fail('no host key was seen in the key exchange');
      isLoggedIn = true;
      settle({
        hostKeyHash: seenHostKeyHash,
        openShell: async () => {
          const shell = await openShell(client);
          onShell();
          return shell;
        },
        close: () => {
          client.end();
          client.destroy();
        },
      });
    });
    client.connect({
      // A connected socket, or one behind a link: ssh2 takes any duplex stream.
      sock: socket as Socket,
      username: 'root',
      privateKey: target.clientKey.privateKey,
      readyTimeout: 0,
      algorithms: { serverHostKey: hostKeyAlgorithms(target.hostKey), kex: KEY_EXCHANGES, compress: ['none'] },
      hostVerifier: (key: Buffer) => {
        seenHostKeyHash = sha256Hex(key);
        mismatch = key.length !== expected.length || !timingSafeEqual(key, expected);
        return !mismatch;
      },
    });
  });
}

/** The grant's kind of key first; the others too, so that a foreign key is seen and named instead of a failed negotiation. */
function hostKeyAlgorithms(line: string): ServerHostKeyAlgorithm[] {
  const type = line.split(' ')[0] ?? '';
  const first = HOST_KEY_ALGORITHMS.filter((name) => name === type || (type === 'ssh-rsa' && name.startsWith('rsa-')));
  return [...first, ...HOST_KEY_ALGORITHMS.filter((name) => !first.includes(name))];
}

function openShell(client: Client): Promise<Shell> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no shell within ${CONNECT_TIMEOUT_MS} ms`)), CONNECT_TIMEOUT_MS);
    client.shell({ term: 'dumb', cols: 120, rows: 40, height: 0, width: 0, modes: { ECHO: 0 } }, (fault, channel) => {
      clearTimeout(timer);
      if (fault !== undefined && fault !== null) reject(fault);
      else resolve(shellOf(channel));
    });
  });
}

/** A channel as a shell: chunks are handed on in the tick in which they arrive. A terminal has one output; whoever uses a second one is heard and counted too. */
function shellOf(channel: ClientChannel): Shell {
  channel.on('error', () => {});
  return {
    write(text) {
      if (channel.writable) channel.write(text);
    },
    onData(listener) {
      channel.on('data', listener);
      channel.stderr.on('data', listener);
    },
    onClose(listener) {
      if (channel.destroyed) queueMicrotask(listener);
      else channel.once('close', listener);
    },
    close() {
      channel.removeAllListeners('data');
      channel.stderr.removeAllListeners('data');
      channel.destroy();
    },
  };
}

function unreachable(cause: unknown): ShellFault {
  const words = cause instanceof Error ? cause.message : String(cause);
  return { kind: 'unreachable', message: printableAscii(words, 200) };
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
