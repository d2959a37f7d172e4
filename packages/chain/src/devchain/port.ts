/** What a devchain answers, in process or over HTTP: the narrow port under its `SubnetChain`. Amounts are decimal strings. */
import type {
  AnchoredLogHead,
  At,
  BlockRef,
  EpochSchedule,
  Neuron,
  PendingWeights,
  SubnetParams,
  Transfer,
} from '../subnet-chain.ts';
import type { Ss58 } from '../keys/ss58.ts';
import type { Operation } from './operations.ts';

/** A value as it travels: bigint as a decimal string. */
export type Wire<Value> = Value extends bigint
  ? string
  : Value extends string | number | boolean | null | undefined
    ? Value
    : { [Key in keyof Value]: Wire<Value[Key]> };

/** Who this chain is, and its beacon. */
export interface DevchainIdentity {
  readonly genesisHash: string;
  readonly specVersion: number;
  readonly netuid: number;
  readonly drand: { readonly genesisMs: number; readonly periodMs: number };
}

/** An account with the nonce its next operation must have. */
export interface WireAccount {
  readonly nonce: number;
  readonly free: string;
  readonly reserved: string;
}

/** What became of a submitted operation: taken into the open block, or refused by the chain's name for the reason. */
export type Submitted =
  | { readonly accepted: true; readonly txHash: string }
  | { readonly accepted: false; readonly error: string; readonly retryable: boolean };

/** Where an operation is: `unknown` to the chain, in the `open` block, or in a sealed one. */
export type Inclusion =
  | { readonly status: 'unknown' }
  | { readonly status: 'open' }
  | { readonly status: 'sealed'; readonly block: BlockRef };

/** A finalised block with the transfers in it. */
export interface WireBlock {
  readonly block: BlockRef;
  readonly transfers: ReadonlyArray<Wire<Transfer>>;
}

/** The port. `waitMs` is how long an answer may be held back until there is something new to say. */
export interface DevchainPort {
  identity(): Promise<DevchainIdentity>;
  heads(): Promise<{ best: BlockRef; finalized: BlockRef }>;
  subnet(at: At): Promise<Wire<SubnetParams>>;
  schedule(at: At): Promise<EpochSchedule>;
  neurons(at: At): Promise<Array<Wire<Neuron>>>;
  weights(uid: number, at: At): Promise<Array<[number, number]>>;
  alphaPrice(at: At): Promise<{ raoPerAlpha: string; emaRaoPerAlpha: string }>;
  pendingWeights(hotkey: Ss58, at: At): Promise<PendingWeights[]>;
  anchor(hotkey: Ss58, at: At): Promise<AnchoredLogHead | null>;
  /** Alpha of one coldkey on one hotkey, as a decimal string. */
  alphaStake(coldkey: Ss58, hotkey: Ss58, at: At): Promise<string>;
  /** At `open` the nonce counts operations of the open block too. */
  account(who: Ss58, at: At | 'open'): Promise<WireAccount>;
  submit(operation: Operation): Promise<Submitted>;
  faucet(to: Ss58, amount: string): Promise<Submitted>;
  inclusion(txHash: string, waitMs: number): Promise<Inclusion>;
  /** Finalised blocks from `from` on, at most `limit` (up to 500); empty when none came within `waitMs`. */
  finalizedBlocks(from: number, limit: number, waitMs: number): Promise<WireBlock[]>;
  close(): Promise<void>;
}
