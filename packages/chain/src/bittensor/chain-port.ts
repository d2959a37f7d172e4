/** The narrow port under the adapter: typed questions to a chain at a block, raw blocks, and one way to submit. */
import type { At } from '../subnet-chain.ts';
import type { Runtime } from './runtime.ts';

/** A block by number and hash (64 hex digits). */
export interface BlockId {
  readonly number: number;
  readonly hash: string;
}

/** A block as the chain keeps it for ever: its parent, its time, the hashes of its extrinsics. */
export interface RawBlock extends BlockId {
  readonly parent: string;
  readonly timeMs: number;
  readonly extrinsics: readonly string[];
}

/** An event of a block; `extrinsic` is the index of what caused it, null for the block itself. */
export interface ChainEvent {
  readonly extrinsic: number | null;
  readonly pallet: string;
  readonly name: string;
  readonly value: unknown;
}

/** What a node said to an extrinsic: taken, known already, or refused by a name (see `pool-errors.ts`). */
export type PoolAnswer = { readonly taken: true } | { readonly taken: false; readonly error: string };

/** The port. Reads throw `NOT_FOUND` for a block or state that the node does not keep, `CHAIN_UNAVAILABLE` and `CHAIN_WRONG`. */
export interface ChainPort {
  genesisHash(): Promise<string>;
  /** The runtime at the newest block. */
  runtime(): Promise<Runtime>;
  heads(): Promise<{ best: BlockId; finalized: BlockId }>;
  /** Where a read looks: the block's hash. */
  hashAt(at: At): Promise<string>;
  /** Hash of the block with this number on the node's chain, or null. */
  hashOf(number: number): Promise<string | null>;
  block(hash: string): Promise<RawBlock>;
  events(hash: string): Promise<ChainEvent[]>;
  query(item: string, keys: readonly unknown[], hash: string): Promise<unknown>;
  runtimeCall(method: string, args: readonly unknown[], hash: string): Promise<unknown>;
  /** The nonce that the account's next extrinsic must have, with what waits in the pool. */
  nextNonce(ss58: string): Promise<number>;
  /** Sends once. A lost answer throws `CHAIN_UNAVAILABLE`: nobody knows then. `kind` helps to name the refusal. */
  submit(bytes: string, kind: CallKind): Promise<PoolAnswer>;
  close(): Promise<void>;
}

/** What a call is about: the pool's coarse refusals mean different pallet errors. */
export type CallKind = 'weights' | 'commit' | 'other';
