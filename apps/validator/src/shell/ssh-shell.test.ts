/** Shells over SSH: a pseudo-terminal behind the very host key of the grant, and nothing sent to any other. The server is ssh2's; OpenSSH has its own test. */

import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import ssh2, { type Connection } from 'ssh2';
import { afterEach, expect, test } from 'vitest';
import type { ClientKey, ShellTarget } from '../ports.ts';
import { makeClientKey } from './client-key.ts';
import { createSshShells, hashOfHostKeyLine } from './ssh-shell.ts';

const never = new AbortController().signal;
const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

interface Pod {
  port: number;
  hostKey: string;
  logins: number;
  terminals: string[];
  typed: string[];
}

/** An SSH server whose shell answers each line with `greeting`. */
async function startPod(client: ClientKey): Promise<Pod> {
  const pair = makeClientKey(randomBytes);
  const accepted = ssh2.utils.parseKey(client.publicLine);
  if (accepted instanceof Error) throw accepted;
  const pod: Pod = {
    port: 0,
    hostKey: pair.publicLine,
    logins: 0,
    terminals: [],
    typed: [],
  };
  const server = new ssh2.Server({ hostKeys: [pair.privateKey] }, (connection: Connection) => {
    connection.on('error', () => {});
    connection.on('authentication', (context) => {
      const known = context.method === 'publickey' && context.key.data.equals(accepted.getPublicSSH());
      if (known) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('ready', () => {
      pod.logins += 1;
      connection.on('session', (accept) => {
        const session = accept();
        session.on('pty', (acceptPty, _reject, info) => {
          pod.terminals.push(`${info.cols}x${info.rows}`);
          acceptPty?.();
        });
        session.on('shell', (acceptShell) => {
          const channel = acceptShell();
          channel.on('error', () => {});
          channel.on('data', (chunk: Buffer) => {
            pod.typed.push(chunk.toString());
            channel.write(`heard ${chunk.length}\n`);
          });
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  pod.port = (server.address() as AddressInfo).port;
  return pod;
}

function targetOf(pod: Pod, clientKey: ClientKey): ShellTarget {
  return { host: '127.0.0.1', port: pod.port, hostKey: pod.hostKey, clientKey };
}

const shells = createSshShells({ allowPrivate: true, randomBytes });

test('a shell has a pseudo-terminal, the key of the grant, and bytes both ways', async () => {
  const clientKey = shells.newClientKey();
  const pod = await startPod(clientKey);
  const connection = await shells.connect(targetOf(pod, clientKey), never);
  if (!('openShell' in connection)) throw new Error(JSON.stringify(connection));
  expect(connection.hostKeyHash).toBe(hashOfHostKeyLine(pod.hostKey));
  const shell = await connection.openShell();
  const heard = new Promise<string>((resolve) => shell.onData((chunk) => resolve(Buffer.from(chunk).toString())));
  const closed = new Promise<void>((resolve) => shell.onClose(resolve));
  shell.write('stty raw\n');
  expect(await heard).toBe('heard 9\n');
  expect(pod.terminals).toEqual(['120x40']);
  connection.close();
  await closed;
});

test('another host key than the grant’s is named, and neither login nor key was offered to it', async () => {
  const clientKey = shells.newClientKey();
  const granted = await startPod(clientKey);
  const impostor = await startPod(clientKey);
  const answer = await shells.connect({ ...targetOf(granted, clientKey), port: impostor.port }, never);
  expect(answer).toEqual({ kind: 'host-key-mismatch', seenHostKeyHash: hashOfHostKeyLine(impostor.hostKey) });
  expect(impostor.logins).toBe(0);
});

test('a refused login, a port that never answers and a stop from outside are unreachable, with words', async () => {
  const clientKey = shells.newClientKey();
  const pod = await startPod(clientKey);
  expect(await shells.connect(targetOf(pod, shells.newClientKey()), never)).toMatchObject({ kind: 'unreachable' });
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  closers.push(() => silent.close());
  const stop = new AbortController();
  const waiting = shells.connect(
    { ...targetOf(pod, clientKey), port: (silent.address() as AddressInfo).port },
    stop.signal,
  );
  setTimeout(() => stop.abort(), 50);
  expect(await waiting).toMatchObject({ kind: 'unreachable', message: 'the check was given up' });
  const guarded = createSshShells({ allowPrivate: false, randomBytes });
  expect(await guarded.connect(targetOf(pod, clientKey), never)).toMatchObject({ kind: 'unreachable' });
});

test('a link delays what is said in the shell by its delay each way, and not the login', async () => {
  const slow = createSshShells({
    allowPrivate: true,
    randomBytes,
    link: { delayMs: 150, lossRatio: 0, rateBytesPerSecond: 0 },
  });
  const clientKey = slow.newClientKey();
  const pod = await startPod(clientKey);
  const connection = await slow.connect(targetOf(pod, clientKey), never);
  if (!('openShell' in connection)) throw new Error(JSON.stringify(connection));
  const shell = await connection.openShell();
  const sentAtMs = performance.now();
  const heard = new Promise<number>((resolve) => shell.onData(() => resolve(performance.now() - sentAtMs)));
  shell.write('ping\n');
  expect(await heard).toBeGreaterThanOrEqual(295);
  connection.close();
});
