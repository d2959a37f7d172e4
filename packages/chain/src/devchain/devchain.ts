/** The devchain itself: one deterministic subnet in this process. Operations and seals go to its log before they count. */
import { CeliumError, canonicalJson, type CrashHere } from '@celium/contract';
import type { Ss58 } from '../keys/ss58.ts';
import type {
  AnchoredLogHead,
  At,
  BlockRef,
  EpochSchedule,
  Neuron,
  PendingWeights,
  SubnetParams,
} from '../subnet-chain.ts';
import { applyOperation, isRetryable } from './apply.ts';
import { sealBlock } from './blocks.ts';
import { DEVCHAIN_RULES, type DevchainGenesis } from './genesis.ts';
import {
  LARGEST_OPERATION_BYTES,
  faucetOperation,
  operationHash,
  readOperation,
  type Operation,
} from './operations.ts';
import type { DevchainIdentity, DevchainPort, Inclusion, Submitted, Wire, WireAccount, WireBlock } from './port.ts';
import { replayEntry } from './replay.ts';
import { scheduleOf } from './schedule.ts';
import { accountOf, initialState, raoPerAlpha, stateHash, type ChainState, type DevchainFaults } from './state.ts';
import type { DevchainStore } from './store.ts';
import { viewAnchor, viewNeurons, viewPending, viewSubnet } from './views.ts';

const LARGEST_BATCH = 500;

/** Options of a devchain. */
export interface DevchainOptions {
  /** Where it lives: a file, or `new DevchainStore(':memory:')`. */
  readonly store: DevchainStore;
  /** Used when the store is new; an old store keeps its own. */
  readonly genesis: DevchainGenesis;
  /** Unix ms; gives blocks their time. */
  now(): number;
  /** `each-operation` (default) seals a block for every operation; `on-demand` only when `seal` is called. */
  readonly sealing?: 'each-operation' | 'on-demand';
  /** Bounds how long an answer is held back; without it, answers wait for the next seal. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly crash?: CrashHere;
}

/**
 * A devchain in this process. Same genesis, operations and seal times give the same states and hashes.
 *
 * @example
 * const devchain = new Devchain({ store: new DevchainStore(':memory:'), genesis: defaultGenesis(), now: clock.now });
 * const chain = new DevchainClient(devchain);
 */
export class Devchain implements DevchainPort {
  readonly #store: DevchainStore;
  readonly #options: DevchainOptions;
  /** Sealed states by block number, for as many blocks as the state window has. */
  readonly #states = new Map<number, ChainState>();
  readonly #numbers = new Map<string, number>();
  #state: ChainState;
  #changed = Promise.withResolvers<void>();
  #closed = false;

  /** Opens the chain: a new one, or the stored one up to its last acknowledged operation. Throws `INTERNAL` when the log is damaged. */
  constructor(options: DevchainOptions) {
    this.#options = options;
    this.#store = options.store;
    const snapshot = this.#store.snapshot();
    if (snapshot === null) {
      this.#state = initialState(options.genesis);
      this.#store.begin(this.#state);
    } else {
      this.#state = snapshot.state;
    }
    if (this.#state.genesis.rules !== DEVCHAIN_RULES) {
      throw new CeliumError(
        'CONFLICT',
        'this devchain began under the rules of another version: start a new one in another --state folder',
      );
    }
    this.#remember(this.#state);
    for (const entry of this.#store.entriesAfter(snapshot?.seq ?? 0)) {
      if (entry.kind === 'reorg') this.#goBack(entry.to);
      else this.#state = replayEntry(this.#state, entry, { checkSignatures: false });
      if (entry.kind === 'block') this.#remember(this.#state);
    }
  }

  /** The parameters this chain was started with. */
  get genesis(): DevchainGenesis {
    return this.#state.genesis;
  }

  /** SHA-256 of the whole present state, the open block included. */
  stateHash(): string {
    return stateHash(this.#state);
  }

  /** Total rao, as issued and as found in accounts and pool: always equal. */
  audit(): { issued: bigint; found: bigint; alphaIssued: bigint; alphaFound: bigint } {
    const { accounts, pending, pool, stakes, totalIssuance } = this.#state;
    const waiting = pending.owner + pending.miners + pending.validators;
    const sum = (amounts: bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
    return {
      issued: totalIssuance,
      found: pool.tao + sum(Object.values(accounts).map(({ free, reserved }) => free + reserved)),
      alphaIssued: pool.alphaOut,
      alphaFound: pool.alphaBurned + waiting + sum(Object.values(stakes).flatMap((by) => Object.values(by))),
    };
  }

  /** Seals the open block and returns it. */
  seal(): BlockRef {
    this.#mustBeOpen();
    const sealed = sealBlock(this.#state, this.#options.now());
    this.#store.appendBlock(sealed.state, sealed.transfers);
    this.#state = sealed.state;
    this.#remember(sealed.state);
    this.#options.crash?.('devchain.block.sealed');
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    return sealed.state.head;
  }

  /** Seals `count` blocks. */
  advance(count: number): BlockRef {
    for (let sealed = 0; sealed < count; sealed += 1) this.seal();
    return this.#state.head;
  }

  /** Makes something go wrong from the next block on: a beacon that is late, a runtime of another version. */
  setFaults(faults: Partial<DevchainFaults>): void {
    this.#mustBeOpen();
    const next = { ...this.#state.faults, ...faults };
    this.#store.appendFaults(next);
    this.#state = { ...this.#state, faults: next };
  }

  /**
   * Forks: the newest `depth` blocks never were, none of them finalised. Their operations, and those of the open block,
   * go back into the open block as far as they still apply, or are lost with `lose`.
   */
  reorg(depth: number, what: 'keep' | 'lose' = 'keep'): void {
    this.#mustBeOpen();
    const to = this.#state.head.number - depth;
    if (depth < 1 || to < this.#state.finalized) {
      throw new CeliumError('BAD_REQUEST', `only blocks that are not final can be dropped, ${depth} are not`);
    }
    const freed = this.#store.appendReorg(to);
    this.#goBack(to);
    for (const operation of what === 'keep' ? freed : []) {
      const applied = applyOperation(this.#state, operation, true);
      if (!applied.ok) continue;
      this.#store.appendOperation(operation, operationHash(operation), to + 1);
      this.#state = applied.state;
    }
  }

  async identity(): Promise<DevchainIdentity> {
    const { genesisHash, genesis, faults } = this.#state;
    const drand = { genesisMs: genesis.drandGenesisMs, periodMs: genesis.drandPeriodMs };
    return { genesisHash, specVersion: faults.specVersion, netuid: genesis.netuid, drand };
  }

  async heads(): Promise<{ best: BlockRef; finalized: BlockRef }> {
    return { best: this.#at('best').head, finalized: this.#at('finalized').head };
  }

  async subnet(at: At): Promise<Wire<SubnetParams>> {
    return toWire(viewSubnet(this.#at(at)));
  }

  async schedule(at: At): Promise<EpochSchedule> {
    return scheduleOf(this.#at(at));
  }

  async neurons(at: At): Promise<Array<Wire<Neuron>>> {
    return toWire(viewNeurons(this.#at(at))) as Array<Wire<Neuron>>;
  }

  async weights(uid: number, at: At): Promise<Array<[number, number]>> {
    return (this.#at(at).neurons[uid]?.weights ?? []).map(([target, weight]): [number, number] => [target, weight]);
  }

  async alphaPrice(at: At): Promise<{ raoPerAlpha: string; emaRaoPerAlpha: string }> {
    const { pool } = this.#at(at);
    return { raoPerAlpha: String(raoPerAlpha(pool.tao, pool.alpha)), emaRaoPerAlpha: String(pool.emaRaoPerAlpha) };
  }

  async pendingWeights(hotkey: Ss58, at: At): Promise<PendingWeights[]> {
    return viewPending(this.#at(at), hotkey);
  }

  async anchor(hotkey: Ss58, at: At): Promise<AnchoredLogHead | null> {
    return viewAnchor(this.#at(at), hotkey);
  }

  async alphaStake(coldkey: Ss58, hotkey: Ss58, at: At): Promise<string> {
    return String(this.#at(at).stakes[hotkey]?.[coldkey] ?? 0n);
  }

  async account(who: Ss58, at: At | 'open'): Promise<WireAccount> {
    const { nonce, free, reserved } = accountOf(at === 'open' ? this.#state : this.#at(at), who);
    return { nonce, free: String(free), reserved: String(reserved) };
  }

  /** Takes an operation into the open block. The same operation twice is accepted once and answered alike. */
  async submit(received: Operation): Promise<Submitted> {
    this.#mustBeOpen();
    const operation = readOperation(received);
    if (canonicalJson(operation).length > LARGEST_OPERATION_BYTES) {
      throw new CeliumError('BAD_REQUEST', `an operation has at most ${LARGEST_OPERATION_BYTES} bytes`);
    }
    const txHash = operationHash(operation);
    if (this.#store.blockOfOperation(txHash) !== null) return { accepted: true, txHash };
    const applied = applyOperation(this.#state, operation);
    if (!applied.ok) return { accepted: false, error: applied.error, retryable: isRetryable(applied.error) };
    this.#options.crash?.('devchain.op.accepted');
    this.#store.appendOperation(operation, txHash, this.#state.head.number + 1);
    this.#state = applied.state;
    this.#options.crash?.('devchain.op.appended');
    if (this.#options.sealing !== 'on-demand') this.seal();
    return { accepted: true, txHash };
  }

  /** Gives `amount` rao (decimal) to an account, for development. */
  async faucet(to: Ss58, amount: string): Promise<Submitted> {
    const { faucetCount, genesisHash, head } = this.#state;
    if (!/^[0-9]{1,19}$/.test(amount)) throw new CeliumError('BAD_REQUEST', 'amount must be rao as a decimal string');
    const context = { nonce: faucetCount, genesisHash, validUntil: head.number + 1 };
    return this.submit(faucetOperation(to, BigInt(amount), context));
  }

  async inclusion(txHash: string, waitMs: number): Promise<Inclusion> {
    const found = this.#inclusion(txHash);
    if (found.status !== 'open' || waitMs <= 0) return found;
    await this.#nextChange(waitMs);
    return this.#inclusion(txHash);
  }

  async finalizedBlocks(from: number, limit: number, waitMs: number): Promise<WireBlock[]> {
    if (from > this.#at('finalized').head.number && waitMs > 0) await this.#nextChange(waitMs);
    if (this.#closed) return [];
    const last = this.#at('finalized').head.number;
    return toWire(this.#store.blocks(from, last, Math.min(limit, LARGEST_BATCH))) as WireBlock[];
  }

  /** Closes the chain and its store; waiting answers come back. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#changed.resolve();
    this.#store.close();
  }

  #inclusion(txHash: string): Inclusion {
    if (this.#closed) throw closedFault();
    const number = this.#store.blockOfOperation(txHash);
    if (number === null) return { status: 'unknown' };
    const [record] = this.#store.blocks(number, number, 1);
    return record === undefined ? { status: 'open' } : { status: 'sealed', block: record.block };
  }

  async #nextChange(waitMs: number): Promise<void> {
    const { sleep } = this.#options;
    const changed = this.#changed.promise;
    if (sleep === undefined) return changed;
    const stop = new AbortController();
    const slept = sleep(waitMs, stop.signal).catch(() => undefined);
    await Promise.race([changed, slept]);
    stop.abort();
  }

  #at(at: At): ChainState {
    this.#mustBeOpen();
    const best = this.#state.head.number;
    const number = at === 'best' ? best : at === 'finalized' ? this.#state.finalized : this.#numbers.get(at.hash);
    const state = number === undefined ? undefined : this.#states.get(number);
    if (state !== undefined) return state;
    const name = typeof at === 'string' ? at : at.hash.slice(0, 64);
    throw new CeliumError(
      'NOT_FOUND',
      `the state of block ${name} is not kept here: read one of the last ${this.#state.genesis.stateWindowBlocks} blocks`,
    );
  }

  #goBack(to: number): void {
    const state = this.#states.get(to);
    if (state === undefined)
      throw new CeliumError('INTERNAL', `the devchain log is damaged: it goes back to block ${to}`);
    for (let number = this.#state.head.number; number > to; number -= 1) {
      this.#numbers.delete(this.#states.get(number)?.head.hash ?? '');
      this.#states.delete(number);
    }
    this.#state = { ...state, finalized: this.#state.finalized };
    this.#states.set(to, this.#state);
  }

  #remember(state: ChainState): void {
    const { number, hash } = state.head;
    this.#states.set(number, state);
    this.#numbers.set(hash, number);
    const forgotten = this.#states.get(number - state.genesis.stateWindowBlocks);
    if (forgotten === undefined) return;
    this.#states.delete(forgotten.head.number);
    this.#numbers.delete(forgotten.head.hash);
  }

  #mustBeOpen(): void {
    if (this.#closed) throw closedFault();
  }
}

function toWire<Value>(value: Value): Wire<Value> {
  return JSON.parse(canonicalJson(value)) as Wire<Value>;
}

function closedFault(): CeliumError {
  return new CeliumError('CHAIN_UNAVAILABLE', 'the devchain is closed');
}
