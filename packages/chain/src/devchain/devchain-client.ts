/** `SubnetChain` over a devchain's port, in process or over HTTP: signs, numbers, submits, and never submits twice. */
import { CeliumError } from '@celium/contract';
import type { KeySigner } from '../keys/key-pair.ts';
import type { Ss58 } from '../keys/ss58.ts';
import type {
  At,
  BlockRef,
  EpochSchedule,
  Neuron,
  Outcome,
  Rao,
  StreamOptions,
  SubnetChain,
  SubnetParams,
  TransferBatch,
  WeightsReceipt,
  WeightsRow,
} from '../subnet-chain.ts';
import { checkWeightsRow, weightsRowDigest } from '../weights-row.ts';
import { operationHash, signOperation, type DevchainCall, type Operation } from './operations.ts';
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

/** Options: `sleep` paces retries; the default uses real timers. */
export interface DevchainClientOptions {
  readonly sleep?: (ms: number) => Promise<void>;
}

/** A devchain as a `SubnetChain`, with the faucet that only it has. */
export class DevchainClient implements SubnetChain {
  readonly #port: DevchainPort;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #stop = new AbortController();
  /** Per signer, the end of its queue: one operation at a time, so that nonces never race. */
  readonly #queues = new Map<Ss58, Promise<unknown>>();
  #identity: DevchainIdentity | undefined;

  constructor(port: DevchainPort, options: DevchainClientOptions = {}) {
    this.#port = port;
    this.#sleep = options.sleep ?? realSleep;
  }

  async info(): Promise<{ kind: 'devchain'; genesisHash: string; specVersion: number; netuid: number }> {
    return { kind: 'devchain', ...(await this.#knownIdentity()) };
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

  /** Plain weights. Throws `UNSUPPORTED` on a subnet with commit-reveal, which this version does not speak. */
  async putWeights(hotkey: KeySigner, row: WeightsRow, versionKey: bigint): Promise<WeightsReceipt> {
    checkWeightsRow(row);
    const { commitReveal } = await this.subnet();
    if (commitReveal.enabled) {
      throw new CeliumError(
        'UNSUPPORTED',
        'the subnet takes weights by commit-reveal only, which this version cannot do',
      );
    }
    const outcome = await this.#execute(hotkey, { call: 'setWeights', row, versionKey });
    if (!outcome.ok) return outcome;
    const at = { hash: outcome.block.hash };
    const [neurons, { epochIndex }] = await Promise.all([this.neurons(at), this.schedule(at)]);
    const uid = neurons.find((neuron) => neuron.hotkey === hotkey.ss58)?.uid ?? -1;
    const { block, txHash } = outcome;
    return { ok: true, mode: 'plain', uid, epoch: epochIndex, rowDigest: weightsRowDigest(row), block, txHash };
  }

  transfer(from: KeySigner, to: Ss58, amount: Rao): Promise<Outcome> {
    return this.#execute(from, { call: 'transfer', to, amount });
  }

  addStake(coldkey: KeySigner, hotkey: Ss58, amount: Rao): Promise<Outcome> {
    return this.#execute(coldkey, { call: 'addStake', hotkey, amount });
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
    const { genesisHash } = await this.#knownIdentity();
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
