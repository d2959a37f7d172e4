/** The port over real nodes: JSON-RPC by the pool, decoded by the runtime of the block that is read. */
import { CeliumError } from '@celium/contract';
import { fromHex } from '../keys/bytes.ts';
import type { At } from '../subnet-chain.ts';
import type { BlockId, CallKind, ChainEvent, ChainPort, PoolAnswer, RawBlock } from './chain-port.ts';
import { extrinsicHash } from './extrinsic.ts';
import { stripHex, type NodePool } from './node-pool.ts';
import { isKnownToPool, poolErrorName } from './pool-errors.ts';
import { RpcRefusal } from './rpc-connection.ts';
import type { Runtime } from './runtime.ts';

/** Metadata versions that we read, the best first. */
const METADATA_VERSIONS = [16, 15] as const;
const MOST_RUNTIMES = 4;
const MOST_HASHES = 2_000;

/** A pool of nodes as a port. */
export class NodePort implements ChainPort {
  readonly #pool: NodePool;
  /** By spec version; the hashes of which we know the version. */
  readonly #runtimes = new Map<number, Promise<Runtime>>();
  readonly #specOfHash = new Map<string, number>();

  constructor(pool: NodePool) {
    this.#pool = pool;
  }

  genesisHash(): Promise<string> {
    return this.#pool.genesisHash();
  }

  async runtime(): Promise<Runtime> {
    return this.#runtimeAt(await this.hashAt('best'));
  }

  async heads(): Promise<{ best: BlockId; finalized: BlockId }> {
    const finalHash = await this.hashAt('finalized');
    const [best, finalHeader] = await Promise.all([
      this.#pool.call('chain_getHeader', []),
      this.#pool.call('chain_getHeader', [`0x${finalHash}`]),
    ]);
    const finalized = { number: readHeader(finalHeader).number, hash: finalHash };
    this.#pool.noteFinal(finalized);
    const { number } = readHeader(best);
    const hash = (await this.hashOf(number)) ?? (await this.hashAt('best'));
    return { best: number < finalized.number ? finalized : { number, hash }, finalized };
  }

  async hashAt(at: At): Promise<string> {
    if (typeof at !== 'string') return at.hash;
    return mustHash(await this.#pool.call(at === 'best' ? 'chain_getBlockHash' : 'chain_getFinalizedHead', []));
  }

  async hashOf(number: number): Promise<string | null> {
    const hash = await this.#pool.call('chain_getBlockHash', [number]);
    return hash === null ? null : mustHash(hash);
  }

  async block(hash: string): Promise<RawBlock> {
    const answer = (await this.#read('chain_getBlock', [`0x${hash}`])) as { block?: unknown } | null;
    if (answer === null) throw notKept(hash);
    const { header, extrinsics } = (answer.block ?? {}) as { header?: unknown; extrinsics?: unknown };
    const { number, parent } = readHeader(header);
    const bodies = Array.isArray(extrinsics) ? extrinsics.map((body) => fromHex(String(body)) ?? new Uint8Array()) : [];
    const { timestampSet } = await this.#anyRuntime();
    return { number, hash, parent, timeMs: timeOf(bodies, timestampSet), extrinsics: bodies.map(extrinsicHash) };
  }

  async events(hash: string): Promise<ChainEvent[]> {
    const records = (await this.query('System.Events', [], hash)) as Array<{
      phase: { type: string; value?: unknown };
      event: { type: string; value: { type: string; value: unknown } };
    }>;
    return records.map(({ phase, event }) => ({
      extrinsic: phase.type === 'ApplyExtrinsic' ? Number(phase.value) : null,
      pallet: event.type,
      name: event.value.type,
      value: event.value.value,
    }));
  }

  async query(item: string, keys: readonly unknown[], hash: string): Promise<unknown> {
    const runtime = await this.#runtimeAt(hash);
    const stored = await this.#read('state_getStorage', [runtime.storageKey(item, keys), `0x${hash}`]);
    return runtime.readStorage(item, typeof stored === 'string' ? stored : null);
  }

  async runtimeCall(method: string, args: readonly unknown[], hash: string): Promise<unknown> {
    const runtime = await this.#runtimeAt(hash);
    const name = method.replace('.', '_');
    const answer = await this.#read('state_call', [name, runtime.apiArguments(method, args), `0x${hash}`]);
    return runtime.readApi(method, String(answer));
  }

  async nextNonce(ss58: string): Promise<number> {
    const nonce = await this.#pool.call('system_accountNextIndex', [ss58]);
    if (typeof nonce === 'number' && Number.isSafeInteger(nonce) && nonce >= 0) return nonce;
    throw new CeliumError('CHAIN_WRONG', 'the node gave no number as an account’s nonce');
  }

  async submit(bytes: string, kind: CallKind): Promise<PoolAnswer> {
    try {
      await this.#pool.callOnce('author_submitExtrinsic', [bytes]);
      return { taken: true };
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error;
      return isKnownToPool(error) ? { taken: true } : { taken: false, error: poolErrorName(error, kind) };
    }
  }

  async close(): Promise<void> {
    this.#pool.close();
  }

  /** Blocks outlive states, and with them the word which runtime was theirs. */
  #anyRuntime(): Promise<Runtime> {
    const [loaded] = this.#runtimes.values();
    return loaded ?? this.runtime();
  }

  async #runtimeAt(hash: string): Promise<Runtime> {
    const known = this.#specOfHash.get(hash);
    if (known !== undefined) {
      const runtime = this.#runtimes.get(known);
      if (runtime !== undefined) return runtime;
    }
    const version = (await this.#read('state_getRuntimeVersion', [`0x${hash}`])) as Record<string, unknown> | null;
    const specVersion = Number(version?.['specVersion']);
    const transactionVersion = Number(version?.['transactionVersion']);
    if (!Number.isSafeInteger(specVersion) || !Number.isSafeInteger(transactionVersion)) {
      throw new CeliumError('CHAIN_WRONG', 'the node does not tell its runtime’s version');
    }
    if (this.#specOfHash.size >= MOST_HASHES) this.#specOfHash.clear();
    this.#specOfHash.set(hash, specVersion);
    let runtime = this.#runtimes.get(specVersion);
    if (runtime === undefined) {
      if (this.#runtimes.size >= MOST_RUNTIMES) this.#runtimes.clear();
      runtime = this.#loadRuntime(hash, specVersion, transactionVersion);
      this.#runtimes.set(specVersion, runtime);
      runtime.catch(() => this.#runtimes.delete(specVersion));
    }
    return runtime;
  }

  async #loadRuntime(hash: string, specVersion: number, transactionVersion: number): Promise<Runtime> {
    // The codecs take a moment to load, and most programs that can reach a chain never do.
    const { openRuntime } = await import('./runtime.ts');
    for (const version of METADATA_VERSIONS) {
      const argument = `0x${version.toString(16).padStart(2, '0')}000000`;
      const answer = await this.#read('state_call', ['Metadata_metadata_at_version', argument, `0x${hash}`]);
      const bytes = fromHex(String(answer)) ?? new Uint8Array();
      // An `Option<Vec<u8>>`: one byte, then a compact length of four bytes.
      if (bytes[0] === 1)
        return openRuntime(bytes.subarray(1 + compactSize(bytes[1] ?? 0)), specVersion, transactionVersion);
    }
    throw new CeliumError('CHAIN_CHANGED', `the runtime (spec ${specVersion}) has no metadata of version 15 or 16`);
  }

  /** Reads at a block: what the node says of pruned states and unknown blocks is `NOT_FOUND`. */
  async #read(method: string, params: readonly unknown[]): Promise<unknown> {
    try {
      return await this.#pool.call(method, params);
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error;
      if (/unknown ?block|state already discarded|header was not found|not found/i.test(error.message)) {
        throw new CeliumError('NOT_FOUND', `the node does not keep that block or its state: ${error.message}`, {
          cause: error,
        });
      }
      throw new CeliumError('CHAIN_WRONG', `the node refused ${method}: ${error.message}`, { cause: error });
    }
  }
}

function readHeader(header: unknown): { number: number; parent: string } {
  const { number, parentHash } = (header ?? {}) as { number?: unknown; parentHash?: unknown };
  const value = typeof number === 'string' ? Number(number) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new CeliumError('CHAIN_WRONG', 'the node gave a block without a number');
  return { number: value, parent: stripHex(parentHash) };
}

function mustHash(value: unknown): string {
  const hash = stripHex(value);
  if (hash.length === 64) return hash;
  throw new CeliumError('CHAIN_WRONG', 'the node gave a block hash of another form');
}

function notKept(hash: string): CeliumError {
  return new CeliumError('NOT_FOUND', `the node does not keep block ${hash}`);
}

/** A block's time is in its first extrinsic, `Timestamp.set`; 0 for the genesis, which has none. */
function timeOf(bodies: readonly Uint8Array[], [pallet, call]: readonly [number, number]): number {
  for (const body of bodies) {
    const start = compactSize(body[0] ?? 0);
    const isBare = ((body[start] ?? 0xff) & 0xc0) === 0;
    if (isBare && body[start + 1] === pallet && body[start + 2] === call) return readCompact(body.subarray(start + 3));
  }
  return 0;
}

function compactSize(first: number): number {
  return [1, 2, 4][first & 3] ?? 5 + (first >> 2);
}

function readCompact(bytes: Uint8Array): number {
  const first = bytes[0] ?? 0;
  const big = (first & 3) === 3;
  const digits = big ? bytes.subarray(1, 5 + (first >> 2)) : bytes.subarray(0, compactSize(first));
  const value = digits.reduceRight((sum, byte) => sum * 256 + byte, 0);
  return big ? value : Math.floor(value / 4);
}
