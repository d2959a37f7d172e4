/** The probe: one SSH key exchange with a pod, pinned to the host key of its grant, without login. Cheapest algorithms, one address. */
import { timingSafeEqual } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { Socket, isIP } from 'node:net';
import { Client } from 'ssh2';
import { isPrivateAddress } from '@celium/domain';
import type { Probe, ProbeAnswer } from '../ports.ts';

/** Made by the market's options: whether pods at private addresses are probed at all. */
export function makeSshProbe(options: { allowPrivate: boolean }): Probe {
  return async ({ host, port, hostKey, timeoutMs, signal }) => {
    const expected = Buffer.from(hostKey.split(' ')[1] ?? '', 'base64');
    const address = await resolveOnce(host, options.allowPrivate);
    if (address === null) return { ok: false, reason: 'unreachable', detail: `${host} is no public address` };
    return exchangeKeys(address, port, expected, timeoutMs, signal);
  };
}

/** Looks a name up once, and connects to what was checked: a second lookup could answer otherwise. */
async function resolveOnce(host: string, allowPrivate: boolean): Promise<string | null> {
  const bare = host.replace(/^\[|\]$/g, '');
  try {
    const address = isIP(bare) === 0 ? (await lookup(bare)).address : bare;
    return allowPrivate || !isPrivateAddress(address) ? address : null;
  } catch {
    return null;
  }
}

function exchangeKeys(
  address: string,
  port: number,
  expected: Buffer,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const socket = new Socket();
    let client: Client | null = null;
    let finished = false;
    let mismatch = false;
    const finish = (answer: ProbeAnswer): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      client?.destroy();
      socket.destroy();
      resolve(answer);
    };
    const fail = (why: string): void => {
      if (mismatch)
        finish({ ok: false, reason: 'host-key-mismatch', detail: 'the host key is not the one of the grant' });
      else finish({ ok: false, reason: 'unreachable', detail: why });
    };
    const timer = setTimeout(() => fail(`no key exchange within ${timeoutMs} ms`), timeoutMs);
    const onAbort = (): void => fail('given up');
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.setNoDelay(true);
    socket.once('error', (fault: NodeJS.ErrnoException) => fail(fault.code ?? fault.message));
    socket.once('close', () => fail('the connection was closed'));
    socket.connect(port, address, () => {
      if (finished) return;
      client = new Client();
      client.on('error', (fault) => fail(fault.message));
      client.on('close', () => fail('the connection was closed'));
      // Comes after the signature over the exchange was checked: whoever only shows the public key does not get here.
      client.on('handshake', () => finish({ ok: true }));
      client.connect({
        sock: socket,
        username: 'probe',
        authHandler: () => false as never,
        readyTimeout: 0,
        algorithms: { kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256'] },
        hostVerifier: (key: Buffer) => {
          mismatch = !(key.length === expected.length && timingSafeEqual(key, expected));
          return !mismatch;
        },
      });
    });
  });
}
