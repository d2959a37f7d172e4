/** Pods whose SSH server is not ours: floods, endless greetings, costly key exchanges and compression end in words, and nothing grows here. */

import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { proofParams, proverBounds, runChallenge, systemClock } from '@celium/proof';
import ssh2, { type Connection, type ServerChannel, type ServerConfig } from 'ssh2';
import { afterEach, expect, test } from 'vitest';
import type { Shell, ShellConnection, ShellTarget } from '../ports.ts';
import { makeClientKey } from './client-key.ts';
import { createSshShells } from './ssh-shell.ts';

const never = new AbortController().signal;
const shells = createSshShells({ allowPrivate: true, randomBytes });
const clientKey = shells.newClientKey();
const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function listen(server: Server | ssh2.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A server whose shell does what `serve` says; everybody may log in. */
async function hostilePod(
  serve: (channel: ServerChannel, connection: Connection) => void,
  config: Partial<ServerConfig> = {},
): Promise<ShellTarget> {
  const pair = makeClientKey(randomBytes);
  const server = new ssh2.Server({ ...config, hostKeys: [pair.privateKey] }, (connection: Connection) => {
    connection.on('error', () => {});
    connection.on('authentication', (context) => (context.method === 'none' ? context.reject() : context.accept()));
    connection.on('ready', () => {
      connection.on('session', (accept) => {
        const session = accept();
        session.on('pty', (acceptPty) => acceptPty?.());
        session.on('shell', (acceptShell) => {
          const channel = acceptShell();
          channel.on('error', () => {});
          serve(channel, connection);
        });
      });
    });
  });
  return { host: '127.0.0.1', port: await listen(server), hostKey: pair.publicLine, clientKey };
}

async function connect(target: ShellTarget): Promise<{ connection: ShellConnection; shell: Shell }> {
  const connection = await shells.connect(target, never);
  if (!('openShell' in connection)) throw new Error(JSON.stringify(connection));
  closers.push(() => connection.close());
  return { connection, shell: await connection.openShell() };
}

const params = proofParams('micro', 'routine');
const hex = '00'.repeat(32);
const binding = {
  blockHash: hex,
  hotkey: hex,
  machineKey: hex,
  grantHash: hex,
  hostKeyHash: hex,
  unit: 'cpu:m',
  barrierId: '',
};

/** The end of a real challenge over a hostile shell. */
async function challengeOf(shell: Shell) {
  const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count));
  const result = await runChallenge({
    transport: shell,
    clock: systemClock,
    randomBytes: bytes,
    params,
    binding,
    declaredRateUnitsPerSecond: 100,
  });
  shell.close();
  return result;
}

/** Pours `chunk` for as long as the other side takes it. */
function pour(
  stream: { write(chunk: Buffer): boolean; once(event: 'drain', go: () => void): unknown },
  chunk: Buffer,
): void {
  let writes = 0;
  while (writes < 64 && stream.write(chunk)) writes += 1;
  stream.once('drain', () => pour(stream, chunk));
}

test('a pod that floods its terminal, or the error stream that a terminal has not, ends as a flood at the bound', async () => {
  for (const pick of [(channel: ServerChannel) => channel, (channel: ServerChannel) => channel.stderr]) {
    const target = await hostilePod((channel) => pour(pick(channel) as ServerChannel, Buffer.alloc(32_768, 'x')));
    const { failure, timing } = await challengeOf((await connect(target)).shell);
    expect(failure?.code).toBe('flood');
    // What is counted is what was taken in, and the last chunk is one packet.
    expect(timing.bytesReceived).toBeLessThan(proverBounds(params).bytes + 65_536);
  }
});

test('a pod that floods beside the terminal is cut off at the bytes of the connection, and the challenge ends as closed', async () => {
  let requests = 0;
  const target = await hostilePod((_channel, connection) => {
    // Each request asks for an answer that the server then never reads.
    const ask = (): void => {
      for (let i = 0; i < 200; i++) {
        requests += 1;
        (connection as unknown as { _protocol: { ping(): void } })._protocol.ping();
      }
      if (requests < 20_000) timer = setImmediate(ask);
    };
    let timer = setImmediate(ask);
    connection.on('close', () => clearImmediate(timer));
  });
  const { shell } = await connect({ ...target, maxBytes: 400_000 });
  const { failure } = await challengeOf(shell);
  expect(failure?.code).toBe('closed');
});

test('a greeting without an end, and banners without an end, are unreachable before the time for a login is over', async () => {
  const endless: Array<(socket: Socket) => void> = [
    (socket) => pour(socket, Buffer.from(`${'motd '.repeat(1_000)}\r\n`)),
    (socket) => pour(socket, Buffer.alloc(65_536, 'x')),
    (socket) => pour(socket, randomBytes(65_536)),
    (socket) => {
      socket.write('SSH-2.0-x\r\n');
      pour(socket, Buffer.alloc(65_536, 0));
    },
  ];
  for (const serve of endless) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      serve(socket);
    });
    const target = {
      host: '127.0.0.1',
      port: await listen(server),
      hostKey: makeClientKey(randomBytes).publicLine,
      clientKey,
    };
    const answer = await shells.connect(target, never);
    expect(answer).toMatchObject({ kind: 'unreachable' });
    if ('message' in answer) expect(answer.message).toMatch(/^[\x20-\x7e]{1,200}$/);
  }
});

test('a server that wants primes of its own for the key exchange, or compression, is not talked to', async () => {
  const costly: ServerConfig['algorithms'][] = [
    { kex: ['diffie-hellman-group-exchange-sha256'] },
    { kex: ['diffie-hellman-group18-sha512'] },
    { compress: ['zlib@openssh.com'] },
  ];
  for (const algorithms of costly) {
    const target = await hostilePod(() => {}, { algorithms });
    expect(await shells.connect(target, never)).toMatchObject({ kind: 'unreachable' });
  }
});

test('a server that wants new keys again and again is left', async () => {
  const target = await hostilePod((_channel, connection) => void setImmediate(() => connection.rekey()));
  const { shell } = await connect(target);
  expect((await challengeOf(shell)).failure?.code).toBe('closed');
});
