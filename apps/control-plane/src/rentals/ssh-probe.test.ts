/** The probe against real SSH servers: the right key, another key, no server, a server that is silent or only pretends. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Server as SshServer, utils } from 'ssh2';
import { afterAll, expect, test } from 'vitest';
import { makeSshProbe } from './ssh-probe.ts';

const probe = makeSshProbe({ allowPrivate: true });
const opened: Array<{ close(): unknown }> = [];
afterAll(() => {
  for (const server of opened) server.close();
});

interface HostKey {
  pem: string;
  /** `ssh-ed25519 AAAA...` */
  line: string;
}

function makeHostKey(): HostKey {
  const pair = utils.generateKeyPairSync('ed25519');
  const [type, blob] = pair.public.split(' ');
  return { pem: pair.private, line: `${type} ${blob}` };
}

function listen(server: Server | SshServer): Promise<number> {
  opened.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

function sshServer(key: HostKey): Promise<number> {
  const server = new SshServer({ hostKeys: [key.pem] }, (client) => client.on('error', () => undefined));
  return listen(server);
}

const ask = (port: number, hostKey: string, timeoutMs = 5_000) =>
  probe({ host: '127.0.0.1', port, hostKey, timeoutMs });

test('a pod with the host key of its grant is seen', async () => {
  const key = makeHostKey();
  const port = await sshServer(key);
  expect(await ask(port, key.line)).toEqual({ ok: true });
});

test('a pod with another host key is not, and the answer says so', async () => {
  const port = await sshServer(makeHostKey());
  expect(await ask(port, makeHostKey().line)).toMatchObject({ ok: false, reason: 'host-key-mismatch' });
});

test('a server that shows the right public key but cannot sign with it is not seen', async () => {
  const right = makeHostKey();
  const wrong = makeHostKey();
  const port = await swappingProxy(await sshServer(wrong), wrong, right);
  expect(await ask(port, right.line)).toMatchObject({ ok: false });
});

test('where nothing listens, or something that is no SSH server, is unreachable', async () => {
  const silent = await listen(createServer((socket) => socket.on('error', () => undefined)));
  expect(await ask(silent, makeHostKey().line, 200)).toMatchObject({ ok: false, reason: 'unreachable' });
  const closing = await listen(createServer((socket) => socket.destroy()));
  expect(await ask(closing, makeHostKey().line)).toMatchObject({ ok: false, reason: 'unreachable' });
  const web = await listen(
    createServer((socket: Socket) => socket.on('error', () => undefined).end('HTTP/1.1 200 OK\r\n\r\n')),
  );
  expect(await ask(web, makeHostKey().line)).toMatchObject({ ok: false, reason: 'unreachable' });
});

test('a private address is not even connected to unless the operator allows it', async () => {
  const key = makeHostKey();
  const port = await sshServer(key);
  const strict = makeSshProbe({ allowPrivate: false });
  const answer = await strict({ host: '127.0.0.1', port, hostKey: key.line, timeoutMs: 1_000 });
  expect(answer).toMatchObject({
    ok: false,
    reason: 'unreachable',
    detail: expect.stringContaining('no public address'),
  });
  const named = await strict({ host: 'localhost', port, hostKey: key.line, timeoutMs: 1_000 });
  expect(named.ok).toBe(false);
});

/** In between: replaces the server's public key by another in what passes, as an attacker without the private key could. */
function swappingProxy(target: number, shown: HostKey, claimed: HostKey): Promise<number> {
  const from = Buffer.from(shown.line.split(' ')[1] ?? '', 'base64').subarray(-32);
  const to = Buffer.from(claimed.line.split(' ')[1] ?? '', 'base64').subarray(-32);
  const server = createServer((socket) => {
    const upstream = socket.pipe(connect(target));
    upstream.on('data', (chunk: Buffer) => {
      const at = chunk.indexOf(from);
      if (at >= 0) to.copy(chunk, at);
      socket.write(chunk);
    });
    for (const end of [socket, upstream]) {
      end.on('error', () => undefined);
      end.on('close', () => [socket, upstream].forEach((other) => other.destroy()));
    }
  });
  return listen(server);
}
