/** A devchain process as a port: JSON over HTTP with a timeout on every call. */
import { CeliumError, ERRORS, type ErrorBody } from '@celium/contract';
import type { Operation } from './operations.ts';
import type { DevchainPort } from './port.ts';
import { GENESIS_HEADER } from './server.ts';

/** Options: `timeoutMs` per call (default 5 s; answers that may be held back get that much more). */
export interface HttpPortOptions {
  readonly timeoutMs?: number;
}

/**
 * The port of the devchain process at `url`. Calls throw `CHAIN_UNAVAILABLE` when nothing answers, or when another
 * chain answers than at first.
 */
export function devchainHttpPort(url: string, options: HttpPortOptions = {}): DevchainPort {
  const base = url.replace(/\/+$/, '');
  const timeoutMs = options.timeoutMs ?? 5_000;
  const closing = new AbortController();
  let genesisHash: string | null = null;

  async function call<Result>(method: string, args: unknown = {}, waitMs = 0): Promise<Result> {
    const response = await send(method, args, waitMs);
    const seen = response.headers.get(GENESIS_HEADER);
    genesisHash ??= seen;
    const body = (await response.json().catch(() => null)) as { result?: Result } | ErrorBody | null;
    if (body !== null && 'error' in body && body.error.code in ERRORS) {
      throw new CeliumError(body.error.code, body.error.message);
    }
    if (seen === null || body === null || !('result' in body)) {
      throw new CeliumError('CHAIN_UNAVAILABLE', `what answers at ${base} is no devchain`);
    }
    if (seen !== genesisHash) {
      throw new CeliumError(
        'CHAIN_UNAVAILABLE',
        `another devchain answers at ${base} than before: start this program anew`,
      );
    }
    return body.result as Result;
  }

  /** Reads are tried twice at once: a kept connection may have died with a restarted process. */
  async function send(method: string, args: unknown, waitMs: number): Promise<Response> {
    const isRead = method !== 'submit' && method !== 'faucet';
    return post(method, args, waitMs).catch((error: unknown) => {
      if (isRead && !closing.signal.aborted && !isTimeout(error)) return post(method, args, waitMs);
      throw error;
    });
  }

  async function post(method: string, args: unknown, waitMs: number): Promise<Response> {
    try {
      return await fetch(`${base}/rpc/${method}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(args),
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs + waitMs)]),
      });
    } catch (cause) {
      throw new CeliumError('CHAIN_UNAVAILABLE', `no devchain answers at ${base}`, { cause });
    }
  }

  return {
    identity: () => call('identity'),
    heads: () => call('heads'),
    subnet: (at) => call('subnet', { at }),
    schedule: (at) => call('schedule', { at }),
    neurons: (at) => call('neurons', { at }),
    weights: (uid, at) => call('weights', { uid, at }),
    alphaPrice: (at) => call('alphaPrice', { at }),
    pendingWeights: (hotkey, at) => call('pendingWeights', { hotkey, at }),
    anchor: (hotkey, at) => call('anchor', { hotkey, at }),
    alphaStake: (coldkey, hotkey, at) => call('alphaStake', { coldkey, hotkey, at }),
    account: (who, at) => call('account', { who, at }),
    submit: (operation: Operation) => call('submit', { operation }),
    faucet: (to, amount) => call('faucet', { to, amount }),
    inclusion: (txHash, waitMs) => call('inclusion', { txHash, waitMs }, waitMs),
    finalizedBlocks: (from, limit, waitMs) => call('finalizedBlocks', { from, limit, waitMs }, waitMs),
    close: async () => closing.abort(),
  };
}

function isTimeout(error: unknown): boolean {
  return ((error as Error).cause as Error | undefined)?.name === 'TimeoutError';
}
