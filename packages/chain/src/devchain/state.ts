/** The devchain's whole state as frozen-in-use plain data: every change makes a new one, so old blocks stay readable. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '@celium/contract';
import type { Ss58 } from '../keys/ss58.ts';
import { RAO_PER_TAO, type Axon, type BlockRef, type Rao, type Transfer } from '../subnet-chain.ts';
import { genesisHash, type DevchainGenesis } from './genesis.ts';

/** An account: number of operations it has made, and its rao. */
export interface AccountState {
  readonly nonce: number;
  readonly free: Rao;
  readonly reserved: Rao;
}

/** A slot of the metagraph; its index in `neurons` is its UID. */
export interface NeuronState {
  readonly hotkey: Ss58;
  readonly coldkey: Ss58;
  readonly registeredAt: number;
  readonly lastUpdate: number;
  readonly validatorPermit: boolean;
  /** Row as set, in stored (upscaled) form; `setAt` is the block, 0 for never. */
  readonly weights: ReadonlyArray<readonly [number, number]>;
  readonly weightsSetAt: number;
  /** Of the last epoch: shares of 65,535, and alpha. */
  readonly incentive: number;
  readonly dividends: number;
  readonly emission: Rao;
  /** `[uid, share]` of what is bonded to others. */
  readonly bonds: ReadonlyArray<readonly [number, number]>;
  readonly axon?: Axon;
}

/** Alpha that is issued and not paid out yet. */
export interface PendingEmission {
  readonly owner: Rao;
  readonly miners: Rao;
  readonly validators: Rao;
}

/** A slot as a registration leaves it. */
export function freshNeuron(hotkey: Ss58, coldkey: Ss58, block: number): NeuronState {
  return {
    hotkey,
    coldkey,
    registeredAt: block,
    lastUpdate: block,
    validatorPermit: false,
    weights: [],
    weightsSetAt: 0,
    incentive: 0,
    dividends: 0,
    emission: 0n,
    bonds: [],
  };
}

/** The alpha pool and what became of alpha. `alphaOut` is what was ever bought and issued less what was recycled. */
export interface PoolState {
  readonly tao: Rao;
  readonly alpha: Rao;
  readonly alphaOut: Rao;
  readonly alphaBurned: Rao;
  readonly emaRaoPerAlpha: Rao;
}

/** A commit that waits for its reveal: a sealed row with the round that opens it, or a hash. */
export interface CommitState {
  readonly hotkey: Ss58;
  readonly epoch: number;
  readonly block: number;
  readonly mode: 'timelocked' | 'hashed';
  /** Hex: the sealed bytes, or the hash. */
  readonly commit: string;
  /** 0 for a hashed one. */
  readonly round: number;
}

/** The last commitment of a hotkey, and how much of its space it has used in the epoch. */
export interface AnchorState {
  readonly height: number;
  readonly hash: string;
  readonly block: number;
  readonly epoch: number;
  readonly usedBytes: number;
}

/** What a test makes go wrong from here on. */
export interface DevchainFaults {
  /** Rounds that the chain's beacon is behind. */
  readonly lateDrandRounds: number;
  /** The runtime's version as the chain tells it. */
  readonly specVersion: number;
}

/** Everything. `open` is what the block after `head` holds so far. */
export interface ChainState {
  readonly genesis: DevchainGenesis;
  readonly genesisHash: string;
  readonly head: BlockRef;
  /** Number of the newest final block: it never falls, even when a fork drops newer ones. */
  readonly finalized: number;
  readonly accounts: Readonly<Record<Ss58, AccountState>>;
  readonly totalIssuance: Rao;
  readonly neurons: readonly NeuronState[];
  /** Coldkey of each hotkey ever registered. */
  readonly owners: Readonly<Record<Ss58, Ss58>>;
  /** Staked alpha by hotkey and coldkey. */
  readonly stakes: Readonly<Record<Ss58, Readonly<Record<Ss58, Rao>>>>;
  readonly pool: PoolState;
  readonly pending: PendingEmission;
  /** Share of the last epoch's miner incentive that went to the owner's hotkeys. */
  readonly minerBurned: number;
  /** In the order in which they were made. */
  readonly commits: readonly CommitState[];
  readonly anchors: Readonly<Record<Ss58, AnchorState>>;
  readonly faults: DevchainFaults;
  readonly registrationCost: Rao;
  readonly faucetCount: number;
  readonly epoch: { readonly index: number; readonly lastBlock: number };
  readonly open: { readonly operations: readonly string[]; readonly transfers: readonly Transfer[] };
}

/** The devchain speaks as this runtime version, until a test says otherwise. */
export const DEVCHAIN_SPEC_VERSION = 425;

const NO_ACCOUNT: AccountState = { nonce: 0, free: 0n, reserved: 0n };

/** The state at block 0. */
export function initialState(genesis: DevchainGenesis): ChainState {
  const hash = genesisHash(genesis);
  const accounts: Record<Ss58, AccountState> = {};
  let totalIssuance = genesis.poolTao;
  for (const { ss58, free } of genesis.endowments) {
    accounts[ss58] = { ...NO_ACCOUNT, free: (accounts[ss58]?.free ?? 0n) + free };
    totalIssuance += free;
  }
  const owner = freshNeuron(genesis.ownerHotkey, genesis.ownerColdkey, 0);
  return {
    genesis,
    genesisHash: hash,
    head: { number: 0, hash, timeMs: genesis.timeMs },
    finalized: 0,
    accounts,
    totalIssuance,
    neurons: [owner],
    owners: { [owner.hotkey]: owner.coldkey },
    stakes: {},
    pool: {
      tao: genesis.poolTao,
      alpha: genesis.poolAlpha,
      alphaOut: 0n,
      alphaBurned: 0n,
      emaRaoPerAlpha: raoPerAlpha(genesis.poolTao, genesis.poolAlpha),
    },
    pending: { owner: 0n, miners: 0n, validators: 0n },
    minerBurned: 0,
    commits: [],
    anchors: {},
    faults: { lateDrandRounds: 0, specVersion: DEVCHAIN_SPEC_VERSION },
    registrationCost: genesis.registrationCost,
    faucetCount: 0,
    epoch: { index: 0, lastBlock: 0 },
    open: { operations: [], transfers: [] },
  };
}

/** An account, zeros for one never seen. */
export function accountOf(state: ChainState, who: Ss58): AccountState {
  return state.accounts[who] ?? NO_ACCOUNT;
}

/** The state with one account replaced. */
export function withAccount(state: ChainState, who: Ss58, account: AccountState): ChainState {
  return { ...state, accounts: { ...state.accounts, [who]: account } };
}

/** The state with one neuron replaced. */
export function withNeuron(state: ChainState, uid: number, neuron: NeuronState): ChainState {
  return { ...state, neurons: state.neurons.with(uid, neuron) };
}

/** The UID of a hotkey, or -1. */
export function uidOf(state: ChainState, hotkey: Ss58): number {
  return state.neurons.findIndex((neuron) => neuron.hotkey === hotkey);
}

/** All alpha staked to a hotkey. */
export function stakeOf(state: ChainState, hotkey: Ss58): Rao {
  return Object.values(state.stakes[hotkey] ?? {}).reduce((sum, amount) => sum + amount, 0n);
}

/** Price of one alpha in rao of TAO for given reserves. */
export function raoPerAlpha(tao: Rao, alpha: Rao): Rao {
  return alpha === 0n ? 0n : (tao * RAO_PER_TAO) / alpha;
}

/** SHA-256 over the canonical form of the whole state: equal hashes, equal chains. */
export function stateHash(state: ChainState): string {
  return createHash('sha256').update(canonicalJson(state)).digest('hex');
}

/** The state as text; amounts are marked (`rao:5`), and texts that look so are too, so that `decodeState` gives the same state. */
export function encodeState(state: ChainState): string {
  return JSON.stringify(state, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `rao:${value}`;
    return typeof value === 'string' && /^(rao|txt):/.test(value) ? `txt:${value}` : value;
  });
}

/** The state of a text made by `encodeState`. */
export function decodeState(text: string): ChainState {
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (value.startsWith('txt:')) return value.slice(4);
    return value.startsWith('rao:') ? BigInt(value.slice(4)) : value;
  }) as ChainState;
}
