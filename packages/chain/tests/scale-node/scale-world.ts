/** A subnet behind nodes that speak SCALE, with keys that the nodes know, for tests. */
import { Devchain } from '../../src/devchain/devchain.ts';
import { defaultGenesis, type DevchainGenesis } from '../../src/devchain/genesis.ts';
import { DevchainStore } from '../../src/devchain/store.ts';
import { keyFromUri, type KeyPair } from '../../src/keys/key-pair.ts';
import type { BittensorChain } from '../../src/bittensor/bittensor-chain.ts';
import { connectBittensor } from '../../src/bittensor/connect-bittensor.ts';
import { ScaleChain, ScaleNode, type NodeFaults } from './scale-node.ts';
import { TEST_BEACON } from './test-beacon.ts';

/** The world; `close` ends all of it. */
export interface ScaleWorld {
  readonly chain: ScaleChain;
  readonly devchain: Devchain;
  key(name: string): KeyPair;
  fund(ss58: string, amount: bigint): Promise<void>;
  /** A node; with `sealing` (the default) time passes with each question for its final head. */
  node(faults?: NodeFaults, sealing?: boolean): Promise<ScaleNode>;
  connect(nodes: readonly ScaleNode[], genesisHash?: string): BittensorChain;
  close(): Promise<void>;
}

/** Opens a subnet. Nothing in it waits for a clock: pauses are turns of the event loop. */
export async function openScaleWorld(overrides: Partial<DevchainGenesis> = {}): Promise<ScaleWorld> {
  const genesis = defaultGenesis({ tempo: 40, ...overrides });
  let nowMs = genesis.timeMs;
  const store = new DevchainStore(':memory:');
  const devchain = new Devchain({ store, genesis, now: () => (nowMs += 12_000), sealing: 'on-demand' });
  const keys = new Map<string, KeyPair>();
  const chain = new ScaleChain(devchain, (ss58) => {
    const key = keys.get(ss58);
    if (key === undefined) throw new Error(`no test key is ${ss58}`);
    return key;
  });
  await chain.begin();
  const open: Array<() => Promise<void>> = [];
  const sleep = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    chain,
    devchain,
    key: (name) => {
      const key = keyFromUri(`//Scale//${name}`);
      keys.set(key.ss58, key);
      return key;
    },
    fund: async (ss58, amount) => {
      await devchain.faucet(ss58, String(amount));
      chain.seal();
    },
    node: async (faults = {}, sealing = true) => {
      const node = await ScaleNode.start(chain, faults, sealing);
      open.push(() => node.stop());
      return node;
    },
    connect: (nodes, genesisHash) => {
      const endpoints = nodes.map(({ url }) => url);
      const pin = genesisHash === undefined ? {} : { genesisHash };
      const client = connectBittensor(endpoints, { netuid: genesis.netuid, sleep, beacon: TEST_BEACON, ...pin });
      open.unshift(() => client.close());
      return client;
    },
    close: async () => {
      for (const end of open) await end();
      await devchain.close();
    },
  };
}
