/** Raw SSH key exchanges, without login: the demo's own way to see when a pod was first there. */

import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError } from '@celium/contract';
import { Client } from 'ssh2';

/** One try may not take longer: a port that swallows packets must not hide a pod that comes up meanwhile. */
const TRY_TIMEOUT_MS = 2_000;
const PAUSE_MS = 5;

export interface ExchangeTarget {
  host: string;
  port: number;
  /** `ssh-ed25519 AAAA...`: another key is no success. */
  hostKey: string;
}

/**
 * The wall-clock time, in unix ms with fractions, of the first completed key exchange with the pod. Tries without pause until then.
 *
 * @throws CeliumError `TIMEOUT` when there was none, `HOST_KEY_MISMATCH` when another key was shown
 */
export async function firstKeyExchange(
  target: ExchangeTarget,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    signal?.throwIfAborted();
    const outcome = await exchangeKeys(target);
    if (outcome.kind === 'done') return outcome.atMs;
    if (outcome.kind === 'other-key') {
      throw new CeliumError(
        'HOST_KEY_MISMATCH',
        `${target.host} port ${target.port} shows another host key than the grant names.`,
      );
    }
    await sleep(PAUSE_MS);
  }
  throw new CeliumError(
    'TIMEOUT',
    `No key exchange with ${target.host} port ${target.port} within ${Math.round(timeoutMs / 1000)} s.`,
  );
}

type Exchange = { kind: 'done'; atMs: number } | { kind: 'other-key' } | { kind: 'nothing' };

async function exchangeKeys(target: ExchangeTarget): Promise<Exchange> {
  const expected = Buffer.from(target.hostKey.split(' ')[1] ?? '', 'base64');
  return await new Promise<Exchange>((resolve) => {
    const client = new Client();
    let otherKey = false;
    const finish = (exchange: Exchange): void => {
      client.removeAllListeners();
      // What a torn connection still says must not become an uncaught error.
      client.on('error', () => {});
      client.destroy();
      resolve(exchange);
    };
    client.once('handshake', () => finish({ kind: 'done', atMs: performance.timeOrigin + performance.now() }));
    client.once('error', () => finish({ kind: otherKey ? 'other-key' : 'nothing' }));
    client.once('close', () => finish({ kind: otherKey ? 'other-key' : 'nothing' }));
    client.connect({
      host: target.host,
      port: target.port,
      username: 'nobody',
      readyTimeout: TRY_TIMEOUT_MS,
      algorithms: { serverHostKey: ['ssh-ed25519'] },
      hostVerifier: (key: Buffer) => {
        otherKey = !key.equals(expected);
        return !otherKey;
      },
    });
  });
}
