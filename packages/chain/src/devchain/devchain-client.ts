/** `SubnetChain` over a devchain's port, in process or over HTTP: signs, numbers, submits, and never submits twice. */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { CeliumError } from '@celium/contract';
import { describeCommit, newSalt, planReveal, type RevealPlan } from '../commit-reveal/reveal-plan.ts';
import { encodeWeightsPayload, weightsCommitHash } from '../commit-reveal/weights-payload.ts';
import { toHex } from '../keys/bytes.ts';
import type { KeySigner, RandomBytes } from '../keys/key-pair.ts';
import type { Ss58 } from '../keys/ss58.ts';
import type {
  AnchoredLogHead,
  At,
  BlockRef,
  EpochSchedule,
  HashedWeightsSecret,
  LogHead,
  Neuron,
  Outcome,
  PendingWeights,
  Rao,
  StreamOptions,
  SubnetChain,
  SubnetParams,
  TransferBatch,
  WeightsOptions,
  WeightsReceipt,
  WeightsRow,
} from '../subnet-chain.ts';
import { checkWeightsRow, weightsRowDigest } from '../weights-row.ts';
import { operationHash, signOperation, type DevchainCall, type Operation } from './operations.ts';
import { sealForRound } from './sealed-box.ts';
import { DEVCHAIN_SPEC_VERSION } from './state.ts';
import type { DevchainIdentity, DevchainPort, Submitted, WireBlock } from './port.ts';

/** How many blocks an operation may wait for its inclusion. */
const MORTAL_BLOCKS = 64;
/** Tries of one call: after a lost answer, or when another process used the nonce. With the pauses, about 20 s. */
const SUBMIT_TRIES = 8;
const INCLUSION_POLLS = 24;
const POLL_WAIT_MS = 5_000;
const STREAM_BATCH = 100;
const STREAM_WAIT_MS = 10_000;
/** Failed reads of a stream in a row before it gives up; with the pauses between them, about a minute. */
const STREAM_TRIES = 12;
/** A block is four rounds of the beacon long, here as on the live chain. */
const ROUNDS_PER_BLOCK = 4;

/** Options: `sleep` paces retries; the default uses real timers. */
export interface DevchainClientOptions {
  readonly sleep?: (ms: number) => Promise<void>;
  /** Salts of hashed commits; the default is the system's. */
  readonly randomBytes?: RandomBytes;
}

/** A devchain as a `SubnetChain`, with the faucet that only it has. */
export class DevchainClient implements SubnetChain {
  readonly #port: DevchainPort;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #randomBytes: RandomBytes;
  readonly #stop = new AbortController();
  /** Per signer, the end of its queue: one operation at a time, so that nonces never race. */
  readonly #queues = new Map<Ss58, Promise<unknown>>();
  #identity: DevchainIdentity | undefined;

  constructor(port: DevchainPort, options: DevchainClientOptions = {}) {
    this.#port = port;
    this.#sleep = options.sleep ?? realSleep;
    this.#randomBytes = options.randomBytes ?? systemRandomBytes;
  }

  async info(): Promise<{ kind: 'devchain'; genesisHash: string; specVersion: number; netuid: number }> {
    const { genesisHash, specVersion, netuid } = await this.#port.identity();
    return { kind: 'devchain', genesisHash, specVersion, netuid };
  }

  heads(): Promise<{ best: BlockRef; finalized: BlockRef }> {
    return this.#port.heads();
  }

  async subnet(at: At = 'best'): Promise<SubnetParams> {
    const wire = await this.#port.subnet(at);
    return {
      ...wire,
      weightsVersionKey: BigInt(wire.weightsVersionKey),
      stakeThreshold: BigInt(wire.stakeThreshold),
      alphaOut: BigInt(wire.alphaOut),
      registrationCost: BigInt(wire.registrationCost),
      existentialDeposit: BigInt(wire.existentialDeposit),
    };
  }

  schedule(at: At = 'best'): Promise<EpochSchedule> {
    return this.#port.schedule(at);
  }

  async neurons(at: At = 'best'): Promise<Neuron[]> {
    const wire = await this.#port.neurons(at);
    return wire.map(({ alphaStake, taoStake, totalStake, emission, axon, ...neuron }) => ({
      ...neuron,
      alphaStake: BigInt(alphaStake),
      taoStake: BigInt(taoStake),
      totalStake: BigInt(totalStake),
      emission: BigInt(emission),
      ...(axon === undefined ? {} : { axon }),
    }));
  }

  weights(uid: number, at: At = 'best'): Promise<Array<[uid: number, weight: number]>> {
    return this.#port.weights(uid, at);
  }

  async alphaPrice(at: At = 'best'): Promise<{ raoPerAlpha: Rao; emaRaoPerAlpha: Rao }> {
    const wire = await this.#port.alphaPrice(at);
    return { raoPerAlpha: BigInt(wire.raoPerAlpha), emaRaoPerAlpha: BigInt(wire.emaRaoPerAlpha) };
  }

  async balance(who: Ss58, at: At = 'best'): Promise<{ free: Rao; reserved: Rao }> {
    const { free, reserved } = await this.#port.account(who, at);
    return { free: BigInt(free), reserved: BigInt(reserved) };
  }

  /** The devchain has no EVM: no UID is ever linked to an address. */
  async evmAddress(_uid: number, _at: At = 'best'): Promise<string | null> {
    return null;
  }

  async *finalizedBlocks(from?: number, options: StreamOptions = {}): AsyncGenerator<BlockRef> {
    const first = from ?? (await this.heads()).finalized.number;
    for await (const { block } of this.#stream(first, options)) yield block;
  }

  async *transfersTo(
    watch: ReadonlySet<Ss58>,
    from: number,
    options: StreamOptions = {},
  ): AsyncGenerator<TransferBatch> {
    for await (const { block, transfers } of this.#stream(from, options)) {
      const ours = transfers.filter(({ to }) => watch.has(to));
      yield { block, transfers: ours.map((transfer) => ({ ...transfer, amount: BigInt(transfer.amount) })) };
    }
  }

  register(coldkey: KeySigner, hotkey: Ss58, maxCost: Rao): Promise<Outcome> {
    return this.#execute(coldkey, { call: 'register', hotkey, maxCost });
  }

  serveAxon(hotkey: KeySigner, axon: { ip: string; port: number; protocol: number }): Promise<Outcome> {
    const { ip, port, protocol } = axon;
    return this.#execute(hotkey, { call: 'serveAxon', ip, port, protocol });
  }

  async putWeights(
    hotkey: KeySigner,
    row: WeightsRow,
    versionKey: bigint,
    options: WeightsOptions = {},
  ): Promise<WeightsReceipt> {
    checkWeightsRow(row);
    const [{ commitReveal }, schedule, { best }] = await Promise.all([this.subnet(), this.schedule(), this.heads()]);
    if (!commitReveal.enabled) return this.#receipt(hotkey, row, { call: 'setWeights', row, versionKey }, {});
    const { genesisHash, netuid, drand } = await this.#knownIdentity();
    const beacon = { publicKey: '', ...drand };
    const blockMs = drand.periodMs * ROUNDS_PER_BLOCK;
    const plan = planReveal(schedule, commitReveal.revealPeriodEpochs, best, blockMs, beacon);
    const payload = { hotkey: hotkey.publicKey, row, versionKey };
    if (options.commit === 'hashed') {
      const salt = newSalt(this.#randomBytes);
      const hash = weightsCommitHash(payload, netuid, salt);
      return this.#receipt(hotkey, row, { call: 'commitHashed', hash }, { plan, secret: { row, salt, versionKey } });
    }
    const { revealRound: round } = plan;
    const sealed = toHex(sealForRound(genesisHash, round, encodeWeightsPayload(payload)));
    return this.#receipt(hotkey, row, { call: 'commitTimelocked', sealed, round }, { plan });
  }

  revealWeights(hotkey: KeySigner, { row, salt, versionKey }: HashedWeightsSecret): Promise<Outcome> {
    return this.#execute(hotkey, { call: 'revealWeights', row, salt, versionKey });
  }

  pendingWeights(hotkey: Ss58, at: At = 'best'): Promise<PendingWeights[]> {
    return this.#port.pendingWeights(hotkey, at);
  }

  async alphaStake(coldkey: Ss58, hotkey: Ss58, at: At = 'best'): Promise<Rao> {
    return BigInt(await this.#port.alphaStake(coldkey, hotkey, at));
  }

  anchorLogHead(hotkey: KeySigner, { height, hash }: LogHead): Promise<Outcome> {
    return this.#execute(hotkey, { call: 'anchor', height, hash });
  }

  anchoredLogHead(hotkey: Ss58, at: At = 'best'): Promise<AnchoredLogHead | null> {
    return this.#port.anchor(hotkey, at);
  }

  transfer(from: KeySigner, to: Ss58, amount: Rao): Promise<Outcome> {
    return this.#execute(from, { call: 'transfer', to, amount });
  }

  addStake(coldkey: KeySigner, hotkey: Ss58, amount: Rao): Promise<Outcome> {
    return this.#execute(coldkey, { call: 'addStake', hotkey, amount });
  }

  transferAlpha(coldkey: KeySigner, hotkey: Ss58, to: Ss58, amount: Rao): Promise<Outcome> {
    return this.#execute(coldkey, { call: 'transferAlpha', hotkey, to, amount });
  }

  retireAlpha(coldkey: KeySigner, hotkey: Ss58, amount: Rao, how: 'burn' | 'recycle'): Promise<Outcome> {
    return this.#execute(coldkey, { call: 'retireAlpha', hotkey, amount, how });
  }

  /** Gives an account rao, for development; at most a million TAO at once. */
  async faucet(to: Ss58, amount: Rao): Promise<Outcome> {
    const submitted = await this.#port.faucet(to, String(amount));
    return submitted.accepted ? this.#included(submitted.txHash) : refused(submitted);
  }

  /** Ends all streams and lets go of the port. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#port.close();
  }

  async #receipt(
    hotkey: KeySigner,
    row: WeightsRow,
    call: DevchainCall,
    later: { plan?: RevealPlan; secret?: HashedWeightsSecret },
  ): Promise<WeightsReceipt> {
    const outcome = await this.#execute(hotkey, call);
    if (!outcome.ok) return outcome;
    const at = { hash: outcome.block.hash };
    const [neurons, schedule] = await Promise.all([this.neurons(at), this.schedule(at)]);
    const uid = neurons.find((neuron) => neuron.hotkey === hotkey.ss58)?.uid ?? -1;
    const rowDigest = weightsRowDigest(row);
    return { ok: true, uid, rowDigest, ...describeCommit(later, schedule, outcome.block), txHash: outcome.txHash };
  }

  async #knownIdentity(): Promise<DevchainIdentity> {
    this.#identity ??= await this.#port.identity();
    return this.#identity;
  }

  #execute(signer: KeySigner, call: DevchainCall): Promise<Outcome> {
    const turn = (this.#queues.get(signer.ss58) ?? Promise.resolve()).then(() => this.#signAndSubmit(signer, call));
    const settled = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#queues.set(signer.ss58, settled);
    void settled.then(() => {
      if (this.#queues.get(signer.ss58) === settled) this.#queues.delete(signer.ss58);
    });
    return turn.then((submitted) => (submitted.accepted ? this.#included(submitted.txHash) : refused(submitted)));
  }

  async #signAndSubmit(signer: KeySigner, call: DevchainCall): Promise<Submitted> {
    const { genesisHash, specVersion } = await this.#port.identity();
    if (specVersion !== DEVCHAIN_SPEC_VERSION) {
      throw new CeliumError(
        'CHAIN_CHANGED',
        `the devchain says that its runtime is spec ${specVersion}, and this version knows ${DEVCHAIN_SPEC_VERSION} only`,
      );
    }
    for (let tries = 1; ; tries += 1) {
      const [{ nonce }, { best }] = await Promise.all([this.#port.account(signer.ss58, 'open'), this.#port.heads()]);
      const context = { nonce, genesisHash, validUntil: best.number + MORTAL_BLOCKS };
      const submitted = await this.#submitOnce(await signOperation(call, context, signer));
      // Another process that uses the same key took this nonce: the operation never was in, so it may be signed anew.
      const raced = !submitted.accepted && ['Stale', 'Future'].includes(submitted.error);
      if (!raced || tries >= SUBMIT_TRIES) return submitted;
      await this.#sleep(pauseMs(tries));
    }
  }

  /**
   * Submits one signed operation until its fate is known. After a lost answer the chain is asked for the operation's
   * hash; only an operation that it does not know is sent again, and always the same one.
   */
  async #submitOnce(operation: Operation): Promise<Submitted> {
    const txHash = operationHash(operation);
    for (let tries = 1; ; tries += 1) {
      try {
        const known = tries > 1 && (await this.#port.inclusion(txHash, 0)).status !== 'unknown';
        return known ? { accepted: true, txHash } : await this.#port.submit(operation);
      } catch (error) {
        if (!isTransient(error) || tries >= SUBMIT_TRIES) throw error;
        await this.#sleep(pauseMs(tries));
      }
    }
  }

  async #included(txHash: string): Promise<Outcome> {
    let failures = 0;
    for (let polls = 0; polls < INCLUSION_POLLS; polls += 1) {
      try {
        const inclusion = await this.#port.inclusion(txHash, POLL_WAIT_MS);
        if (inclusion.status === 'sealed') return { ok: true, block: inclusion.block, txHash };
        failures = 0;
      } catch (error) {
        failures += 1;
        if (!isTransient(error) || failures >= SUBMIT_TRIES) throw error;
        await this.#sleep(pauseMs(failures));
      }
    }
    throw new CeliumError(
      'TIMEOUT',
      `operation ${txHash} was accepted and is in no block yet: look for it before you repeat it`,
    );
  }

  async *#stream(from: number, { signal }: StreamOptions): AsyncGenerator<WireBlock> {
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    const stopped = new Promise<null>((resolve) => {
      if (stop.aborted) resolve(null);
      else stop.addEventListener('abort', () => resolve(null), { once: true });
    });
    let cursor = from;
    let failures = 0;
    while (!stop.aborted) {
      try {
        const blocks = await Promise.race([this.#port.finalizedBlocks(cursor, STREAM_BATCH, STREAM_WAIT_MS), stopped]);
        failures = 0;
        for (const block of blocks ?? []) {
          if (stop.aborted) return;
          if (block.block.number !== cursor) throw new CeliumError('INTERNAL', `the devchain left out block ${cursor}`);
          cursor += 1;
          yield block;
        }
      } catch (error) {
        if (stop.aborted) return;
        failures += 1;
        if (!isTransient(error) || failures >= STREAM_TRIES) throw error;
        await Promise.race([this.#sleep(pauseMs(failures)), stopped]);
      }
    }
  }
}

function refused(submitted: Extract<Submitted, { accepted: false }>): Outcome {
  return { ok: false, error: submitted.error, retryable: submitted.retryable };
}

/** 0.2 s doubling up to 8 s. */
function pauseMs(failures: number): number {
  return Math.min(8_000, 200 * 2 ** (failures - 1));
}

function isTransient(error: unknown): boolean {
  return error instanceof CeliumError && (error.code === 'CHAIN_UNAVAILABLE' || error.code === 'TIMEOUT');
}

function realSleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
