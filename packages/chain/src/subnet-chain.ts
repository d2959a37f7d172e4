/** The one view of a Bittensor subnet that our programs have: the live chain and the devchain both implement it. */
import type { KeySigner } from './keys/key-pair.ts';
import type { Ss58 } from './keys/ss58.ts';

/** An amount in rao; 1 TAO and 1 alpha are 10^9 rao each. */
export type Rao = bigint;

/** Rao in one TAO or alpha. */
export const RAO_PER_TAO = 1_000_000_000n;

/**
 * Which state a read sees: the newest block (the default of every read), the newest finalised one, or that of a block
 * hash (64 hex digits). Nodes forget old states: such a read throws `NOT_FOUND`.
 */
export type At = 'best' | 'finalized' | { readonly hash: string };

/** A block: its hash is 64 lowercase hex digits without a prefix, its time unix ms. */
export interface BlockRef {
  readonly number: number;
  readonly hash: string;
  readonly timeMs: number;
}

/** Where a neuron is reached. */
export interface Axon {
  readonly ip: string;
  readonly port: number;
  readonly protocol: number;
  /** Block at which it was served. */
  readonly block: number;
}

/** One slot of the metagraph. `incentive` and `dividends` are 0 to 65,535; stakes and emission are rao. */
export interface Neuron {
  readonly uid: number;
  readonly hotkey: Ss58;
  readonly coldkey: Ss58;
  readonly alphaStake: Rao;
  readonly taoStake: Rao;
  readonly totalStake: Rao;
  readonly validatorPermit: boolean;
  readonly active: boolean;
  /** Block of the last weights (or of the registration). */
  readonly lastUpdate: number;
  /** Block of the registration: a later one than a score's block means another key holds the slot now. */
  readonly registeredAt: number;
  readonly incentive: number;
  readonly dividends: number;
  readonly emission: Rao;
  readonly axon?: Axon;
}

/** The subnet's hyperparameters and owner, read anew each time: owners and limits change on chain. */
export interface SubnetParams {
  readonly netuid: number;
  readonly ownerColdkey: Ss58;
  readonly ownerHotkey: Ss58;
  /** Blocks between epochs. */
  readonly tempo: number;
  readonly maxUids: number;
  readonly maxValidators: number;
  readonly immunityPeriodBlocks: number;
  readonly minAllowedWeights: number;
  readonly weightsRateLimitBlocks: number;
  readonly weightsVersionKey: bigint;
  /** Stake below which no weights may be set. */
  readonly stakeThreshold: Rao;
  readonly servingRateLimitBlocks: number;
  readonly activityCutoffBlocks: number;
  readonly commitReveal: { readonly enabled: boolean; readonly version: number; readonly revealPeriodEpochs: number };
  /** What becomes of the miner incentive that goes to hotkeys of the owner's coldkey. */
  readonly burnMode: 'burn' | 'recycle';
  /** Share (0 to 1) of the last epoch's miner incentive that went there; the chain lowers the subnet's TAO share by it. */
  readonly minerBurned: number;
  /** Alpha issued and not recycled, pool reserves aside; burned alpha still counts. */
  readonly alphaOut: Rao;
  /** What a registration costs now. */
  readonly registrationCost: Rao;
  readonly existentialDeposit: Rao;
}

/** When epochs are. Ask it; the modulo arithmetic of old is wrong. */
export interface EpochSchedule {
  readonly tempo: number;
  readonly lastEpochBlock: number;
  /** Block of an epoch that the owner triggered, if any. */
  readonly pendingEpochAt: number | null;
  readonly epochIndex: number;
  readonly nextEpochBlock: number;
}

/** One transfer event: with the block's hash, `eventIndex` names it for good. */
export interface Transfer {
  readonly from: Ss58;
  readonly to: Ss58;
  readonly amount: Rao;
  readonly eventIndex: number;
}

/** The transfers to watched addresses in one finalised block; there is a batch for every block, even when empty. */
export interface TransferBatch {
  readonly block: BlockRef;
  readonly transfers: readonly Transfer[];
}

/**
 * What became of an operation. Errors are the pallet's names (`SettingWeightsTooFast`) or those of the transaction pool
 * (`Stale`, `Payment`) in every implementation. `retryable`: the same call may pass later or when signed again.
 */
export type Outcome<Error_ extends string = string> =
  | { readonly ok: true; readonly block: BlockRef; readonly txHash: string }
  | Refused<Error_>;

export interface Refused<Error_ extends string = string> {
  readonly ok: false;
  readonly error: Error_;
  readonly retryable: boolean;
}

/** One row of weights: `[uid, weight]`, weights 0 to 65,535, no uid twice. */
export type WeightsRow = ReadonlyArray<readonly [uid: number, weight: number]>;

/** How weights were given to the chain, and what to look for when reading back (see `confirmWeights`). */
export type WeightsReceipt =
  | {
      readonly ok: true;
      readonly mode: 'plain' | 'timelocked' | 'hashed';
      readonly uid: number;
      readonly epoch: number;
      /** Digest of the row as the chain will store it (`weightsRowDigest`). */
      readonly rowDigest: string;
      readonly block: BlockRef;
      readonly txHash: string;
      /** Timelocked: the drand round that opens it. */
      readonly revealRound?: number;
      /** Timelocked and hashed: the epoch in which the row is revealed, and about the block at which. */
      readonly revealEpoch?: number;
      readonly expectedRevealBlock?: number;
      /** Hashed only: what `revealWeights` needs in the reveal epoch. Keep it secret until then. */
      readonly secret?: HashedWeightsSecret;
    }
  | Refused;

/** What opens a hashed commit: the row in its order, the salt and the version key. */
export interface HashedWeightsSecret {
  readonly row: WeightsRow;
  readonly salt: readonly number[];
  readonly versionKey: bigint;
}

/** A commit that the chain holds unrevealed. `digest` is blake2-256 (64 hex digits) of a timelocked commit, or the committed hash. */
export interface PendingWeights {
  readonly mode: 'timelocked' | 'hashed';
  readonly epoch: number;
  readonly block: number;
  readonly digest: string;
  readonly revealRound?: number;
}

/** How weights are to be committed where the subnet asks for commit-reveal: by `timelocked` unless the drand beacon or its library fails. */
export interface WeightsOptions {
  readonly commit?: 'timelocked' | 'hashed';
}

/** The head of an append-only log: two different hashes for one height are proof of equivocation. */
export interface LogHead {
  readonly height: number;
  /** 64 hex digits. */
  readonly hash: string;
}

/** A log head as its keeper's hotkey put it on chain, and the block at which. */
export interface AnchoredLogHead extends LogHead {
  readonly block: number;
}

/** Ends a stream from outside. */
export interface StreamOptions {
  readonly signal?: AbortSignal;
}

/**
 * A subnet. Reads and writes throw `CHAIN_UNAVAILABLE` when the chain does not answer, `TIMEOUT` when an operation is
 * neither included nor refused in time, and `UNSUPPORTED` for what this version cannot do; what the chain itself refuses
 * is an `Outcome`. After `ok: true`, reads at `best` show the effect.
 */
export interface SubnetChain {
  info(): Promise<{ kind: 'bittensor' | 'devchain'; genesisHash: string; specVersion: number; netuid: number }>;
  heads(): Promise<{ best: BlockRef; finalized: BlockRef }>;
  /** Every finalised block from number `from` (default: the newest finalised) on, in order, without gaps, without end. */
  finalizedBlocks(from?: number, options?: StreamOptions): AsyncIterable<BlockRef>;
  subnet(at?: At): Promise<SubnetParams>;
  schedule(at?: At): Promise<EpochSchedule>;
  neurons(at?: At): Promise<Neuron[]>;
  weights(uid: number, at?: At): Promise<Array<[uid: number, weight: number]>>;
  /** Rao of TAO per whole alpha: the pool's price, and its moving average. */
  alphaPrice(at?: At): Promise<{ raoPerAlpha: Rao; emaRaoPerAlpha: Rao }>;
  balance(who: Ss58, at?: At): Promise<{ free: Rao; reserved: Rao }>;
  /** One batch per finalised block from number `from` on: save its cursor and its credits in one transaction. */
  transfersTo(watch: ReadonlySet<Ss58>, from: number, options?: StreamOptions): AsyncIterable<TransferBatch>;
  register(coldkey: KeySigner, hotkey: Ss58, maxCost: Rao): Promise<Outcome>;
  serveAxon(hotkey: KeySigner, axon: { ip: string; port: number; protocol: number }): Promise<Outcome>;
  /** Sets the row, or commits to it where the subnet says so; the receipt tells which and what to wait for (see `confirmWeights`). */
  putWeights(hotkey: KeySigner, row: WeightsRow, versionKey: bigint, options?: WeightsOptions): Promise<WeightsReceipt>;
  /** Opens a hashed commit, in its reveal epoch (`RevealTooEarly` before, `ExpiredWeightCommit` after). */
  revealWeights(hotkey: KeySigner, secret: HashedWeightsSecret): Promise<Outcome>;
  /** What the hotkey has committed and not revealed yet, oldest first: after a crash, whether a commit arrived. */
  pendingWeights(hotkey: Ss58, at?: At): Promise<PendingWeights[]>;
  transfer(from: KeySigner, to: Ss58, amount: Rao): Promise<Outcome>;
  /** Swaps `amount` of the coldkey's TAO for alpha staked to `hotkey`. */
  addStake(coldkey: KeySigner, hotkey: Ss58, amount: Rao): Promise<Outcome>;
  /** Gives `amount` of the coldkey's alpha on `hotkey` to another coldkey; it stays staked on that hotkey. */
  transferAlpha(coldkey: KeySigner, hotkey: Ss58, to: Ss58, amount: Rao): Promise<Outcome>;
  retireAlpha(coldkey: KeySigner, hotkey: Ss58, amount: Rao, how: 'burn' | 'recycle'): Promise<Outcome>;
  /** Alpha of one coldkey on one hotkey. */
  alphaStake(coldkey: Ss58, hotkey: Ss58, at?: At): Promise<Rao>;
  /** Anchors a log's head under the registered hotkey; a later one replaces it. A few per epoch (`SpaceLimitExceeded`). */
  anchorLogHead(hotkey: KeySigner, head: LogHead): Promise<Outcome>;
  /** The newest anchored head of a hotkey; null for none, or for a commitment that is no log head. */
  anchoredLogHead(hotkey: Ss58, at?: At): Promise<AnchoredLogHead | null>;
  evmAddress(uid: number, at?: At): Promise<string | null>;
  close(): Promise<void>;
}
