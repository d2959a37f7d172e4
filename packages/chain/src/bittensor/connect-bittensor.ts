/** Opens the live chain by the addresses of its nodes. */
import type { RandomBytes } from '../keys/key-pair.ts';
import type { Beacon } from '../commit-reveal/drand.ts';
import { BittensorChain } from './bittensor-chain.ts';
import { NodePool } from './node-pool.ts';
import { NodePort } from './node-port.ts';

/** Options of a connection. */
export interface BittensorConnection {
  readonly netuid: number;
  /** 64 hex digits; without it the first node that answers decides. */
  readonly genesisHash?: string;
  readonly timeoutMs?: number;
  readonly sleep?: (ms: number) => Promise<void>;
  readonly randomBytes?: RandomBytes;
  readonly beacon?: Beacon;
}

/** A `SubnetChain` over the nodes at these `ws://` or `wss://` addresses, the first that works serving. */
export function connectBittensor(endpoints: readonly string[], options: BittensorConnection): BittensorChain {
  const { netuid, genesisHash, timeoutMs = 15_000, sleep = realSleep, randomBytes, beacon } = options;
  const pool = new NodePool({ endpoints, timeoutMs, sleep, ...(genesisHash === undefined ? {} : { genesisHash }) });
  return new BittensorChain({
    port: new NodePort(pool),
    netuid,
    sleep,
    ...(randomBytes === undefined ? {} : { randomBytes }),
    ...(beacon === undefined ? {} : { beacon }),
  });
}

function realSleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
