/** Connecting to a chain by its address. */
import { CeliumError } from '@celium/contract';
import { DevchainClient, type DevchainClientOptions } from './devchain/devchain-client.ts';
import { devchainHttpPort, type HttpPortOptions } from './devchain/http-port.ts';
import type { SubnetChain } from './subnet-chain.ts';

/** A devchain process, with its faucet. Connects lazily: the first call throws `CHAIN_UNAVAILABLE` when nothing answers. */
export function connectDevchain(url: string, options: HttpPortOptions & DevchainClientOptions = {}): DevchainClient {
  return new DevchainClient(devchainHttpPort(url, options), options);
}

/**
 * The chain at an address: `http://...` is a devchain process. Throws `UNSUPPORTED` for `ws://` and `wss://` (a live
 * Bittensor node), whose adapter this version does not have, and `USAGE` for anything else.
 */
export function connectChain(url: string, options: HttpPortOptions & DevchainClientOptions = {}): SubnetChain {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol === 'http:') return connectDevchain(url, options);
  if (protocol === 'ws:' || protocol === 'wss:') {
    throw new CeliumError(
      'UNSUPPORTED',
      `${url} is a live Bittensor node: the live adapter is not in this version. Use the http:// address of a devchain (\`celium devchain\`)`,
    );
  }
  throw new CeliumError('USAGE', `"${url.slice(0, 200)}" is no chain address: give http://127.0.0.1:7744 or the like`);
}
