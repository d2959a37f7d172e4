/** Logins in a terminal: a person's window, the grant's key and no other, bytes both ways, nothing left behind. The server is ssh2's. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemTime } from '../clock.ts';
import { makeClientKey } from '../shell/client-key.ts';
import { hashOfHostKeyLine } from '../shell/ssh-shell.ts';
import { startRecordingPod } from '../testing/recording-pod.ts';
import { isLoggedIn, loginsTo, type Login } from './terminal-login.ts';

const WINDOW = { columns: 132, rows: 43, name: 'xterm-256color' };
const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

async function openPod(hostKey?: string, banner?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'celium-login-'));
  const client = makeClientKey(randomBytes);
  const keyFile = join(folder, 'id');
  writeFileSync(keyFile, client.privateKey, { mode: 0o600 });
  const pod = await startRecordingPod([client.publicLine], banner === undefined ? {} : { banner });
  closers.push(
    () => pod.close(),
    () => rmSync(folder, { recursive: true, force: true }),
  );
  const stop = new AbortController();
  const login: Login = loginsTo(
    { clock: systemTime, allowPrivate: true, folder: join(folder, 'logins') },
    { host: '127.0.0.1', port: pod.port, hostKey: hostKey ?? pod.hostKey, leaseId: 'lease', keyFile },
    stop.signal,
  );
  return { pod, login, stop, logins: () => readdirSync(join(folder, 'logins')) };
}

test('a login asks for a window of the drawn size and sends the drawn language, as a person’s terminal does', async () => {
  const { pod, login, logins } = await openPod();
  const shell = await login(WINDOW, 'en_US.UTF-8');
  if (!('onData' in shell)) throw new Error(JSON.stringify(shell));
  expect(pod.logins[0]).toMatchObject({ columns: 132, rows: 43, terminal: 'xterm-256color' });
  const heard = new Promise<string>((resolve) => shell.onData((chunk) => resolve(Buffer.from(chunk).toString())));
  shell.write('ls\n');
  expect(await heard).toContain('heard 3');
  const closed = new Promise<void>((resolve) => shell.onClose(resolve));
  shell.close();
  await closed;
  expect(logins()).toEqual([]);
});

test('a long line of a proof arrives whole, and so does the answer', async () => {
  const { pod, login } = await openPod();
  const shell = await login(WINDOW, 'C.UTF-8');
  if (!('onData' in shell)) throw new Error(JSON.stringify(shell));
  const line = `${'a~'.repeat(1_900)}\n`;
  for (let sent = 0; sent < 20; sent += 1) shell.write(line);
  await expect.poll(() => pod.logins[0]?.typed.length, { timeout: 10_000 }).toBe(20 * line.length);
  expect(pod.logins[0]?.typed).toBe(line.repeat(20));
  shell.close();
});

test('another host key than the grant’s is named by its hash, and no key was offered to it', async () => {
  const other = makeClientKey(randomBytes).publicLine;
  const { pod, login } = await openPod(other);
  const seenHostKeyHash = hashOfHostKeyLine(pod.hostKey);
  expect(await login(WINDOW, 'C.UTF-8')).toEqual({ kind: 'host-key-mismatch', seenHostKeyHash });
  expect(pod.offeredKeys).toBe(0);
});

test('a pod that lets nobody in, and a decoy that is given up, are unreachable, with words', async () => {
  const { pod, login, stop } = await openPod();
  pod.accepts.clear();
  expect(await login(WINDOW, 'C.UTF-8')).toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining('ssh: '),
  });
  stop.abort();
  expect(await login(WINDOW, 'C.UTF-8')).toMatchObject({ kind: 'unreachable', message: 'the decoy was given up' });
});

test('a pod whose greeting says that it let somebody in has let nobody in, and its words steer no terminal', async () => {
  const said = 'Authenticated to 127.0.0.1 ([127.0.0.1]:22) using "publickey".';
  const { pod, login } = await openPod(undefined, `\r\n${said}\r\nroot@pod:~# \u001b[2J\r\n`);
  pod.accepts.clear();
  const answer = await login(WINDOW, 'C.UTF-8');
  expect(answer).toMatchObject({
    kind: 'unreachable',
    message: expect.stringMatching(/^ssh: [ -~]*Permission denied/),
  });
  expect(isLoggedIn(`${said}\nTransferred: sent 1, received 2 bytes\n`)).toBe(true);
  expect(isLoggedIn(`Received disconnect from 127.0.0.1 port 22:2: bye\n${said}\n`)).toBe(false);
  expect(isLoggedIn(`banner: ${said}\n`)).toBe(false);
});
