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
  readonly burnMode: 'burn' | 'recycle';
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
      readonly revealRound?: number;
      readonly expectedRevealBlock?: number;
    }
  | Refused;

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
  putWeights(hotkey: KeySigner, row: WeightsRow, versionKey: bigint): Promise<WeightsReceipt>;
  transfer(from: KeySigner, to: Ss58, amount: Rao): Promise<Outcome>;
  /** Swaps `amount` of the coldkey's TAO for alpha staked to `hotkey`. */
  addStake(coldkey: KeySigner, hotkey: Ss58, amount: Rao): Promise<Outcome>;
  retireAlpha(coldkey: KeySigner, hotkey: Ss58, amount: Rao, how: 'burn' | 'recycle'): Promise<Outcome>;
  evmAddress(uid: number, at?: At): Promise<string | null>;
  close(): Promise<void>;
}
