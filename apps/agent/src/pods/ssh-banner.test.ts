/** A pod is ready when an SSH server greets, not when a port is open. */
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../clock.ts';
import { sshBannerOver } from './ssh-banner.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(greeting: string, port = 0): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    // In two parts, as a slow server may send it.
    socket.write(greeting.slice(0, 3));
    setImmediate(() => socket.end(greeting.slice(3)));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

const awaitBanner = sshBannerOver(systemClock);

test('a greeting that comes in parts is understood', async () => {
  await awaitBanner(['127.0.0.1'], await serve('SSH-2.0-OpenSSH_9.2\r\n'), AbortSignal.timeout(5_000));
});

test('a server that comes up later is found, at whichever address it is', async () => {
  const port = await serve('');
  const waiting = awaitBanner(['127.0.0.2', '127.0.0.1'], port, AbortSignal.timeout(5_000));
  await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
  await serve('SSH-2.0-late\r\n', port);
  await waiting;
});

test('another protocol is no readiness, and the wait ends when it is told to', async () => {
  const port = await serve('HTTP/1.1 400 Bad Request\r\n');
  await expect(awaitBanner(['127.0.0.1'], port, AbortSignal.timeout(200))).rejects.toThrow(/timeout/);
});
