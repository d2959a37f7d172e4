/** Connecting to a chain by its address. */
import { CeliumError } from '@celium/contract';
import { connectBittensor, type BittensorConnection } from './bittensor/connect-bittensor.ts';
import { DevchainClient, type DevchainClientOptions } from './devchain/devchain-client.ts';
import { devchainHttpPort, type HttpPortOptions } from './devchain/http-port.ts';
import type { SubnetChain } from './subnet-chain.ts';

/** Genesis of Bittensor's main network: what any node that is not on this machine must be of, unless the address says otherwise. */
export const MAINNET_GENESIS = '2f0555cc76fc2840a25a6ea3b9637146806f1f44b090c175ffde2a7e5ab36c03';
/** The subnet that an address means when it names none. */
const DEFAULT_NETUID = 51;

/** A devchain process, with its faucet. Connects lazily: the first call throws `CHAIN_UNAVAILABLE` when nothing answers. */
export function connectDevchain(url: string, options: HttpPortOptions & DevchainClientOptions = {}): DevchainClient {
  return new DevchainClient(devchainHttpPort(url, options), options);
}

/**
 * The chain at an address: `http://...` is a devchain process; `ws://...` and `wss://...` are nodes of the live chain,
 * several with commas between them, with `#netuid=51` and `#genesis=<64 hex digits>` behind where another subnet or
 * network is meant. Nodes on this machine may be of any network, others must be of the main one unless told. Throws
 * `USAGE` for anything else.
 *
 * @example connectChain('wss://one.example,wss://two.example#netuid=51')
 */
export function connectChain(url: string, options: HttpPortOptions & DevchainClientOptions = {}): SubnetChain {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol === 'http:') return connectDevchain(url, options);
  if (protocol !== 'ws:' && protocol !== 'wss:') {
    throw new CeliumError(
      'USAGE',
      `"${url.slice(0, 200)}" is no chain address: give http://127.0.0.1:7744 or ws://127.0.0.1:9944 or the like`,
    );
  }
  const { endpoints, ...of } = readNodeAddress(url);
  return connectBittensor(endpoints, { ...of, ...(options.sleep === undefined ? {} : { sleep: options.sleep }) });
}

/** Takes an address of nodes apart. Throws `USAGE` naming what it cannot read. */
export function readNodeAddress(
  address: string,
): Pick<BittensorConnection, 'netuid' | 'genesisHash'> & { endpoints: string[] } {
  const [nodes = '', settings = ''] = address.split('#');
  const endpoints = nodes.split(',').map((one) => one.trim());
  const strange = endpoints.find((one) => !URL.canParse(one) || !/^wss?:$/.test(new URL(one).protocol));
  if (strange !== undefined) throw new CeliumError('USAGE', `"${strange.slice(0, 200)}" is no address of a node`);
  const given = new URLSearchParams(settings);
  const unknown = [...given.keys()].find((name) => name !== 'netuid' && name !== 'genesis');
  if (unknown !== undefined) {
    throw new CeliumError('USAGE', `"${unknown.slice(0, 40)}" is no setting of a chain: there are netuid and genesis`);
  }
  const netuid = given.get('netuid') ?? String(DEFAULT_NETUID);
  if (!/^\d{1,5}$/.test(netuid) || Number(netuid) > 65_535) {
    throw new CeliumError('USAGE', `"${netuid.slice(0, 20)}" is no subnet: a netuid is a number from 0 to 65535`);
  }
  const genesis = given.get('genesis')?.replace(/^0x/, '').toLowerCase();
  if (genesis !== undefined && !/^[0-9a-f]{64}$/.test(genesis)) {
    throw new CeliumError('USAGE', 'a genesis has 64 hex digits');
  }
  const here = endpoints.every((one) => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(one).hostname));
  const genesisHash = genesis ?? (here ? undefined : MAINNET_GENESIS);
  return { endpoints, netuid: Number(netuid), ...(genesisHash === undefined ? {} : { genesisHash }) };
}
