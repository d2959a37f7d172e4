/** A pod's SSH server for tests that writes down all that the machine's owner could see of a login: bytes in the clear, keys offered, window, keys typed. */

import { randomBytes } from 'node:crypto';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import ssh2, { type Connection } from 'ssh2';
import { makeClientKey } from '../shell/client-key.ts';

/** One login as the server saw it. */
export interface SeenLogin {
  user: string;
  columns: number;
  rows: number;
  terminal: string;
  variables: string[];
  /** Channel requests in their order. */
  requests: string[];
  /** Everything typed, and when each piece came (ms since the shell was opened). */
  typed: string;
  arrivalsMs: number[];
}

export interface RecordingPod {
  port: number;
  hostKey: string;
  logins: SeenLogin[];
  /** What each connection sent in the clear: its version line and its list of algorithms. */
  clear: Buffer[];
  /** Ways to log in that were tried, in order. */
  methods: string[];
  offeredKeys: number;
  /** Public keys (base64) that are let in. */
  accepts: Set<string>;
  close(): void;
}

/** Takes over a shell. */
export type OnShell = (channel: ssh2.ServerChannel) => void;

/** Bytes of a connection that are kept: version and key exchange come first, in the clear. */
const CLEAR_BYTES = 4_096;

/** Starts one. `onShell` takes over a shell; by default each piece of input is answered by how long it was. */
export async function startRecordingPod(
  keyLines: readonly string[],
  options: {
    hostKey?: { publicLine: string; privateKey: string };
    port?: number;
    onShell?: OnShell;
    /** Shown before the login. */
    banner?: string;
  } = {},
): Promise<RecordingPod> {
  const host = options.hostKey ?? makeClientKey(randomBytes);
  const pod: RecordingPod = {
    port: 0,
    hostKey: host.publicLine,
    logins: [],
    clear: [],
    methods: [],
    offeredKeys: 0,
    accepts: new Set(keyLines.map((line) => line.split(' ')[1] ?? '')),
    close: () => {
      server.close();
      tap.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  const sockets = new Set<Socket>();
  const greeting = options.banner === undefined ? {} : { banner: options.banner };
  const server = new ssh2.Server({ hostKeys: [host.privateKey], ...greeting }, (connection) =>
    serve(connection, pod, options.onShell),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const inner = (server.address() as AddressInfo).port;
  // What a tap on the wire sees, before anything is encrypted.
  const tap = createServer((socket) => {
    const at = pod.clear.push(Buffer.alloc(0)) - 1;
    const upstream = connect(inner, '127.0.0.1');
    for (const one of [socket, upstream]) sockets.add(one.on('error', () => {}));
    socket.on('data', (chunk) => {
      const kept = pod.clear[at] ?? Buffer.alloc(0);
      if (kept.length < CLEAR_BYTES) pod.clear[at] = Buffer.concat([kept, chunk]);
    });
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => tap.listen(options.port ?? 0, '127.0.0.1', resolve));
  pod.port = (tap.address() as AddressInfo).port;
  return pod;
}

function serve(connection: Connection, pod: RecordingPod, onShell?: OnShell): void {
  let user = '';
  connection.on('error', () => {});
  connection.on('authentication', (context) => {
    user = context.username;
    pod.methods.push(context.method);
    if (context.method !== 'publickey') return context.reject(['publickey']);
    pod.offeredKeys += 1;
    if (pod.accepts.has(context.key.data.toString('base64'))) context.accept();
    else context.reject(['publickey']);
  });
  connection.on('session', (accept) => {
    const login: SeenLogin = {
      user,
      columns: 0,
      rows: 0,
      terminal: '',
      variables: [],
      requests: [],
      typed: '',
      arrivalsMs: [],
    };
    const session = accept();
    session.on('env', (acceptEnv, _reject, info) => {
      login.requests.push('env');
      login.variables.push(`${info.key}=${info.val}`);
      acceptEnv?.();
    });
    session.on('pty', (acceptPty, _reject, info) => {
      login.requests.push('pty');
      const { cols, rows } = info;
      Object.assign(login, { columns: cols, rows, terminal: (info as { term?: string }).term ?? '' });
      acceptPty?.();
    });
    session.on('shell', (acceptShell) => {
      login.requests.push('shell');
      pod.logins.push(login);
      const openedAtMs = performance.now();
      const channel = acceptShell();
      channel.on('error', () => {});
      channel.on('data', (chunk: Buffer) => {
        login.typed += chunk.toString('latin1');
        login.arrivalsMs.push(performance.now() - openedAtMs);
      });
      channel.write('root@pod:~# ');
      if (onShell !== undefined) onShell(channel);
      else channel.on('data', (chunk: Buffer) => channel.write(`heard ${chunk.length}\r\n`));
    });
  });
}
