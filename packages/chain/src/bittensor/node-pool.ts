/** Several nodes of one chain as one: the next takes over when one is gone, and a node of another chain, behind, or on another fork is passed over. */
import { CeliumError } from '@celium/contract';
import { openRpc, RpcRefusal, type RpcConnection } from './rpc-connection.ts';

/** Rounds over all endpoints before a read gives up. */
const ROUNDS = 3;
/** A node whose newest final block is this far behind the newest that we saw is not used. */
const MOST_BLOCKS_BEHIND = 20;

/** Options of a pool. */
export interface NodePoolOptions {
  /** `ws://` or `wss://`, in order of preference. */
  readonly endpoints: readonly string[];
  /** The chain that the nodes must be of: 64 hex digits. Without it the first node decides, for the life of the pool. */
  readonly genesisHash?: string;
  /** For each call and each connection. */
  readonly timeoutMs: number;
  readonly sleep: (ms: number) => Promise<void>;
}

/** A final block that some node told of. */
interface FinalBlock {
  readonly number: number;
  readonly hash: string;
}

/** The pool; it connects at the first call. */
export class NodePool {
  readonly #options: NodePoolOptions;
  #genesisHash: string | null;
  #connection: RpcConnection | null = null;
  #opening: Promise<RpcConnection> | null = null;
  #endpoint = 0;
  #newest: FinalBlock | null = null;
  #closed = false;

  constructor(options: NodePoolOptions) {
    if (options.endpoints.length === 0) throw new CeliumError('USAGE', 'no address of a Bittensor node is given');
    this.#options = options;
    this.#genesisHash = options.genesisHash ?? null;
  }

  /** The chain's identity, 64 hex digits; connects when it must. */
  async genesisHash(): Promise<string> {
    await this.#connected();
    return this.#genesisHash ?? '';
  }

  /** What a node told of a final block is held against every other node. Throws `CHAIN_WRONG` when this one differs. */
  noteFinal(block: FinalBlock): void {
    if (this.#newest?.number === block.number && this.#newest.hash !== block.hash) {
      const url = this.#connection?.url ?? 'a node';
      this.#leave();
      throw new CeliumError(
        'CHAIN_WRONG',
        `${url} tells of another final block ${block.number} than before: one of the nodes is on a fork or lies`,
      );
    }
    if (this.#newest === null || block.number > this.#newest.number) this.#newest = block;
  }

  /** A read: tried on the other endpoints too. Throws `RpcRefusal`, `CHAIN_UNAVAILABLE`, or `CHAIN_WRONG`. */
  async call(method: string, params: readonly unknown[] = []): Promise<unknown> {
    const tries = ROUNDS * this.#options.endpoints.length;
    for (let failures = 0; ;) {
      try {
        return await (await this.#connected()).call(method, params);
      } catch (error) {
        if (error instanceof RpcRefusal || !isGone(error) || this.#closed) throw error;
        this.#leave();
        failures += 1;
        if (failures >= tries) throw error;
        if (failures % this.#options.endpoints.length === 0) await this.#options.sleep(200 * 2 ** failures);
      }
    }
  }

  /** A call whose lost answer must not lead to a second one: tried once. */
  async callOnce(method: string, params: readonly unknown[]): Promise<unknown> {
    const connection = await this.#connected();
    try {
      return await connection.call(method, params);
    } catch (error) {
      if (!(error instanceof RpcRefusal)) this.#leave();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  /** The next call goes to the next endpoint. */
  #leave(): void {
    this.#connection?.close();
    this.#connection = null;
    this.#endpoint = (this.#endpoint + 1) % this.#options.endpoints.length;
  }

  async #connected(): Promise<RpcConnection> {
    if (this.#closed) throw new CeliumError('CHAIN_UNAVAILABLE', 'the connection to the chain is closed');
    if (this.#connection?.isOpen() === true) return this.#connection;
    this.#opening ??= this.#openAny().finally(() => {
      this.#opening = null;
    });
    this.#connection = await this.#opening;
    return this.#connection;
  }

  async #openAny(): Promise<RpcConnection> {
    const faults: CeliumError[] = [];
    const { endpoints } = this.#options;
    for (let tried = 0; tried < endpoints.length; tried += 1) {
      try {
        return await this.#openChecked(endpoints[this.#endpoint] ?? '');
      } catch (error) {
        faults.push(error instanceof CeliumError ? error : unusable(endpoints[this.#endpoint] ?? '', error));
        this.#endpoint = (this.#endpoint + 1) % endpoints.length;
      }
    }
    const wrong = faults.every(({ code }) => code === 'CHAIN_WRONG');
    const message = faults.map((fault) => fault.message).join('; ');
    throw new CeliumError(wrong ? 'CHAIN_WRONG' : 'CHAIN_UNAVAILABLE', message, { cause: faults[0] });
  }

  async #openChecked(url: string): Promise<RpcConnection> {
    const connection = await openRpc(url, this.#options.timeoutMs);
    try {
      const genesis = stripHex(await connection.call('chain_getBlockHash', [0]));
      if (this.#genesisHash !== null && genesis !== this.#genesisHash) {
        throw new CeliumError('CHAIN_WRONG', `${url} is of another chain: its genesis is ${genesis.slice(0, 64)}`);
      }
      this.#genesisHash ??= genesis;
      await this.#checkHead(connection);
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Not far behind, and on the same fork as whatever served us before. */
  async #checkHead(connection: RpcConnection): Promise<void> {
    const newest = this.#newest;
    if (newest === null) return;
    const { url } = connection;
    const hash = await connection.call('chain_getBlockHash', [newest.number]);
    if (hash !== null) {
      if (stripHex(hash) === newest.hash) return;
      throw new CeliumError(
        'CHAIN_WRONG',
        `${url} is on another fork: its block ${newest.number} is not the final one`,
      );
    }
    const header = (await connection.call('chain_getHeader', [])) as { number?: unknown } | null;
    const behind = newest.number - Number(header?.number);
    if (behind <= MOST_BLOCKS_BEHIND) return;
    throw new CeliumError('CHAIN_UNAVAILABLE', `${url} is ${behind} blocks behind`);
  }
}

/** Hex without its prefix; empty for what is no hex. */
export function stripHex(value: unknown): string {
  return typeof value === 'string' && /^0x[0-9a-f]*$/i.test(value) ? value.slice(2).toLowerCase() : '';
}

function isGone(error: unknown): boolean {
  return error instanceof CeliumError && (error.code === 'CHAIN_UNAVAILABLE' || error.code === 'CHAIN_WRONG');
}

function unusable(url: string, cause: unknown): CeliumError {
  return new CeliumError('CHAIN_UNAVAILABLE', `the node at ${url} is of no use: ${(cause as Error).message}`, {
    cause,
  });
}
