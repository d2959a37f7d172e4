/** The live Bittensor chain as a `SubnetChain`: reads at one block each, writes that are final or certainly not made. */
import { randomBytes as systemRandomBytes } from 'node:crypto';
import { CeliumError } from '@celium/contract';
import { QUICKNET, roundAt, type Beacon } from '../commit-reveal/drand.ts';
import { describeCommit, newSalt, planReveal, type RevealPlan } from '../commit-reveal/reveal-plan.ts';
import { sealTimelocked } from '../commit-reveal/timelock.ts';
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
import type { BlockId, ChainPort } from './chain-port.ts';
import { encodeIp, fixed32ToNano, readNeurons, readPending, toBytes, toRao, type Fields } from './decoders.ts';
import { followFinalized } from './finalized-blocks.ts';
import { decodeLogAnchor, encodeLogAnchor } from './log-anchor.ts';
import { Submitter, type CallToSend } from './submitter.ts';

const BLOCK_MS = 12_000;
/** The chain's copy of the beacon may be this far behind before commits go by hash. */
const MOST_ROUNDS_BEHIND = 200;
/** What `serve_axon` is told as the program's version. */
const AXON_VERSION = 1;

/** Options of the adapter. */
export interface BittensorOptions {
  readonly port: ChainPort;
  readonly netuid: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly randomBytes?: RandomBytes;
  /** Whose rounds open timelocked weights; quicknet on the live chain. */
  readonly beacon?: Beacon;
}

/** See `SubnetChain`. */
export class BittensorChain implements SubnetChain {
  readonly #port: ChainPort;
  readonly #options: BittensorOptions;
  readonly #submitter: Submitter;
  readonly #stop = new AbortController();

  constructor(options: BittensorOptions) {
    this.#port = options.port;
    this.#options = options;
    this.#submitter = new Submitter({ port: options.port, sleep: options.sleep });
  }

  async info(): Promise<{ kind: 'bittensor'; genesisHash: string; specVersion: number; netuid: number }> {
    const [genesisHash, { specVersion }] = await Promise.all([this.#port.genesisHash(), this.#port.runtime()]);
    return { kind: 'bittensor', genesisHash, specVersion, netuid: this.#options.netuid };
  }

  async heads(): Promise<{ best: BlockRef; finalized: BlockRef }> {
    const { best, finalized } = await this.#port.heads();
    const [bestRef, finalRef] = await Promise.all([best, finalized].map((block) => this.#blockRef(block)));
    if (bestRef === undefined || finalRef === undefined) throw new CeliumError('CHAIN_WRONG', 'the node has no head');
    return { best: bestRef, finalized: finalRef };
  }

  async *finalizedBlocks(from?: number, options: StreamOptions = {}): AsyncGenerator<BlockRef> {
    const first = from ?? (await this.#port.heads()).finalized.number;
    for await (const { number, hash, timeMs } of this.#follow(first, options)) yield { number, hash, timeMs };
  }

  async *transfersTo(
    watch: ReadonlySet<Ss58>,
    from: number,
    options: StreamOptions = {},
  ): AsyncGenerator<TransferBatch> {
    for await (const { number, hash, timeMs } of this.#follow(from, options)) {
      const transfers = (await this.#port.events(hash)).flatMap(({ pallet, name, value }, eventIndex) => {
        if (pallet !== 'Balances' || name !== 'Transfer') return [];
        const fields = value as Fields;
        const to = String(fields['to']);
        return watch.has(to) ? [{ from: String(fields['from']), to, amount: toRao(fields['amount']), eventIndex }] : [];
      });
      yield { block: { number, hash, timeMs }, transfers };
    }
  }

  async subnet(at: At = 'best'): Promise<SubnetParams> {
    const hash = await this.#port.hashAt(at);
    const { netuid } = this.#options;
    const item = (name: string): Promise<unknown> => this.#port.query(`SubtensorModule.${name}`, [netuid], hash);
    const number_ = async (name: string): Promise<number> => Number(await item(name));
    const plain = async (name: string): Promise<unknown> => this.#port.query(`SubtensorModule.${name}`, [], hash);
    if ((await item('NetworksAdded')) !== true) {
      throw new CeliumError('NOT_FOUND', `this chain has no subnet ${netuid}: give another with --netuid`);
    }
    const [tempo, factorMilli, burnMode, minerBurned] = await Promise.all([
      number_('Tempo'),
      number_('ActivityCutoffFactorMilli'),
      item('RecycleOrBurn') as Promise<{ type: string }>,
      item('MinerBurned'),
    ]);
    const [ownerColdkey, ownerHotkey, versionKey, threshold, registrationCost, alphaOut, enabled, version, runtime] =
      await Promise.all([
        item('SubnetOwner'),
        item('SubnetOwnerHotkey'),
        item('WeightsVersionKey'),
        plain('StakeThreshold'),
        item('Burn'),
        item('SubnetAlphaOut'),
        item('CommitRevealWeightsEnabled'),
        plain('CommitRevealWeightsVersion'),
        this.#port.runtime(),
      ]);
    const [maxUids, maxValidators, immunity, minWeights, rateLimit, servingLimit, revealPeriod] = await Promise.all(
      [
        'MaxAllowedUids',
        'MaxAllowedValidators',
        'ImmunityPeriod',
        'MinAllowedWeights',
        'WeightsSetRateLimit',
        'ServingRateLimit',
        'RevealPeriodEpochs',
      ].map(number_),
    );
    return {
      netuid,
      ownerColdkey: String(ownerColdkey),
      ownerHotkey: String(ownerHotkey),
      tempo,
      maxUids: maxUids ?? 0,
      maxValidators: maxValidators ?? 0,
      immunityPeriodBlocks: immunity ?? 0,
      minAllowedWeights: minWeights ?? 0,
      weightsRateLimitBlocks: rateLimit ?? 0,
      weightsVersionKey: toRao(versionKey),
      stakeThreshold: toRao(threshold),
      servingRateLimitBlocks: servingLimit ?? 0,
      activityCutoffBlocks: Math.floor((tempo * factorMilli) / 1_000),
      commitReveal: { enabled: enabled === true, version: Number(version), revealPeriodEpochs: revealPeriod ?? 1 },
      burnMode: burnMode.type === 'Recycle' ? 'recycle' : 'burn',
      minerBurned: Number(fixed32ToNano(minerBurned)) / 1e9,
      alphaOut: toRao(alphaOut),
      registrationCost: toRao(registrationCost),
      existentialDeposit: toRao(runtime.readConstant('Balances.ExistentialDeposit')),
    };
  }

  async schedule(at: At = 'best'): Promise<EpochSchedule> {
    const hash = await this.#port.hashAt(at);
    const { netuid } = this.#options;
    const [tempo, last, pending, index, next] = await Promise.all([
      ...['Tempo', 'LastEpochBlock', 'PendingEpochAt', 'SubnetEpochIndex'].map((name) =>
        this.#port.query(`SubtensorModule.${name}`, [netuid], hash),
      ),
      this.#port.runtimeCall('SubnetInfoRuntimeApi.get_next_epoch_start_block', [netuid], hash),
    ]);
    if (next === undefined) throw new CeliumError('NOT_FOUND', `subnet ${netuid} has no epochs`);
    return {
      tempo: Number(tempo),
      lastEpochBlock: Number(last),
      pendingEpochAt: Number(pending) === 0 ? null : Number(pending),
      epochIndex: Number(index),
      nextEpochBlock: Number(next),
    };
  }

  async neurons(at: At = 'best'): Promise<Neuron[]> {
    const { netuid } = this.#options;
    const hash = await this.#port.hashAt(at);
    const metagraph = await this.#port.runtimeCall('SubnetInfoRuntimeApi.get_metagraph', [netuid], hash);
    if (metagraph === undefined) throw new CeliumError('NOT_FOUND', `this chain has no subnet ${netuid}`);
    return readNeurons(metagraph as Fields);
  }

  async weights(uid: number, at: At = 'best'): Promise<Array<[uid: number, weight: number]>> {
    const hash = await this.#port.hashAt(at);
    const row = await this.#port.query('SubtensorModule.Weights', [this.#options.netuid, uid], hash);
    return (row as Array<readonly [number, number]>).map(([target, weight]) => [Number(target), Number(weight)]);
  }

  async alphaPrice(at: At = 'best'): Promise<{ raoPerAlpha: Rao; emaRaoPerAlpha: Rao }> {
    const hash = await this.#port.hashAt(at);
    const { netuid } = this.#options;
    const [price, ema] = await Promise.all([
      this.#port.runtimeCall('SwapRuntimeApi.current_alpha_price', [netuid], hash),
      this.#port.query('SubtensorModule.SubnetMovingPrice', [netuid], hash),
    ]);
    return { raoPerAlpha: toRao(price), emaRaoPerAlpha: fixed32ToNano(ema) };
  }

  async balance(who: Ss58, at: At = 'best'): Promise<{ free: Rao; reserved: Rao }> {
    const hash = await this.#port.hashAt(at);
    const { data } = (await this.#port.query('System.Account', [who], hash)) as { data: Fields };
    return { free: toRao(data['free']), reserved: toRao(data['reserved']) };
  }

  async alphaStake(coldkey: Ss58, hotkey: Ss58, at: At = 'best'): Promise<Rao> {
    const hash = await this.#port.hashAt(at);
    const method = 'StakeInfoRuntimeApi.get_stake_info_for_coldkey';
    const all = (await this.#port.runtimeCall(method, [coldkey], hash)) as Fields[];
    const { netuid } = this.#options;
    const mine = all.filter((stake) => stake['hotkey'] === hotkey && Number(stake['netuid']) === netuid);
    return mine.reduce((sum, stake) => sum + toRao(stake['stake']), 0n);
  }

  async pendingWeights(hotkey: Ss58, at: At = 'best'): Promise<PendingWeights[]> {
    const hash = await this.#port.hashAt(at);
    const { netuid } = this.#options;
    const [index, period] = await Promise.all(
      ['SubnetEpochIndex', 'RevealPeriodEpochs'].map(async (name) =>
        Number(await this.#port.query(`SubtensorModule.${name}`, [netuid], hash)),
      ),
    );
    const oldest = Math.max(0, (index ?? 0) - (period ?? 1));
    const epochs = Array.from({ length: (index ?? 0) + 2 - oldest }, (_, offset) => oldest + offset);
    const [hashed, ...timelocked] = await Promise.all([
      this.#port.query('SubtensorModule.WeightCommits', [netuid, hotkey], hash),
      ...epochs.map(async (epoch) => {
        const key = [netuid, BigInt(epoch)];
        return { epoch, commits: await this.#port.query('SubtensorModule.TimelockedWeightCommits', key, hash) };
      }),
    ]);
    return readPending(timelocked, hashed, hotkey);
  }

  async anchoredLogHead(hotkey: Ss58, at: At = 'best'): Promise<AnchoredLogHead | null> {
    const hash = await this.#port.hashAt(at);
    const found = await this.#port.query('Commitments.CommitmentOf', [this.#options.netuid, hotkey], hash);
    if (found === undefined) return null;
    const { block, info } = found as { block: unknown; info: Array<{ type: string; value: unknown }> };
    const [first] = info;
    const head = first?.type === 'Raw48' ? decodeLogAnchor(toBytes(first.value)) : null;
    return head === null ? null : { ...head, block: Number(block) };
  }

  async evmAddress(uid: number, at: At = 'best'): Promise<string | null> {
    const hash = await this.#port.hashAt(at);
    const found = await this.#port.query('SubtensorModule.AssociatedEvmAddress', [this.#options.netuid, uid], hash);
    return found === undefined ? null : `0x${toHex(toBytes((found as readonly unknown[])[0]))}`;
  }

  register(coldkey: KeySigner, hotkey: Ss58, maxCost: Rao): Promise<Outcome> {
    return this.#send(coldkey, 'SubtensorModule.register_limit', { hotkey, limit_price: maxCost });
  }

  serveAxon(hotkey: KeySigner, axon: { ip: string; port: number; protocol: number }): Promise<Outcome> {
    return this.#send(hotkey, 'SubtensorModule.serve_axon', {
      version: AXON_VERSION,
      ...encodeIp(axon.ip),
      port: axon.port,
      protocol: axon.protocol,
      placeholder1: 0,
      placeholder2: 0,
    });
  }

  async putWeights(
    hotkey: KeySigner,
    row: WeightsRow,
    versionKey: bigint,
    options: WeightsOptions = {},
  ): Promise<WeightsReceipt> {
    checkWeightsRow(row);
    const { commitReveal } = await this.subnet();
    if (!commitReveal.enabled) {
      const args = {
        dests: row.map(([uid]) => uid),
        weights: row.map(([, weight]) => weight),
        version_key: versionKey,
      };
      return this.#receipt(hotkey, row, { name: 'SubtensorModule.set_weights', args, kind: 'weights' }, {});
    }
    const [schedule, { best }] = await Promise.all([this.schedule(), this.heads()]);
    const beacon = this.#options.beacon ?? QUICKNET;
    const plan = planReveal(schedule, commitReveal.revealPeriodEpochs, best, BLOCK_MS, beacon);
    const payload = { hotkey: hotkey.publicKey, row, versionKey };
    const sealed =
      options.commit === 'hashed' || !(await this.#beaconRuns(best, beacon))
        ? null
        : await this.#seal(encodeWeightsPayload(payload), plan, options);
    if (sealed !== null) {
      const args = {
        commit: sealed,
        reveal_round: BigInt(plan.revealRound),
        commit_reveal_version: commitReveal.version,
      };
      const call = { name: 'SubtensorModule.commit_timelocked_weights', args, kind: 'commit' } as const;
      return this.#receipt(hotkey, row, call, { plan });
    }
    const salt = newSalt(this.#options.randomBytes ?? systemRandomBytes);
    const commitHash = `0x${weightsCommitHash(payload, this.#options.netuid, salt)}`;
    const call = { name: 'SubtensorModule.commit_weights', args: { commit_hash: commitHash }, kind: 'commit' } as const;
    return this.#receipt(hotkey, row, call, { plan, secret: { row, salt, versionKey } });
  }

  revealWeights(hotkey: KeySigner, { row, salt, versionKey }: HashedWeightsSecret): Promise<Outcome> {
    return this.#send(hotkey, 'SubtensorModule.reveal_weights', {
      uids: row.map(([uid]) => uid),
      values: row.map(([, weight]) => weight),
      salt: [...salt],
      version_key: versionKey,
    });
  }

  transfer(from: KeySigner, to: Ss58, amount: Rao): Promise<Outcome> {
    const args = { dest: { type: 'Id', value: to }, value: amount };
    return this.#submitter.send(from, { name: 'Balances.transfer_keep_alive', args });
  }

  addStake(coldkey: KeySigner, hotkey: Ss58, amount: Rao): Promise<Outcome> {
    return this.#send(coldkey, 'SubtensorModule.add_stake', { hotkey, amount_staked: amount });
  }

  transferAlpha(coldkey: KeySigner, hotkey: Ss58, to: Ss58, amount: Rao): Promise<Outcome> {
    const { netuid } = this.#options;
    const args = {
      destination_coldkey: to,
      hotkey,
      origin_netuid: netuid,
      destination_netuid: netuid,
      alpha_amount: amount,
    };
    return this.#submitter.send(coldkey, { name: 'SubtensorModule.transfer_stake', args });
  }

  retireAlpha(coldkey: KeySigner, hotkey: Ss58, amount: Rao, how: 'burn' | 'recycle'): Promise<Outcome> {
    return this.#send(coldkey, `SubtensorModule.${how}_alpha`, { hotkey, amount });
  }

  anchorLogHead(hotkey: KeySigner, head: LogHead): Promise<Outcome> {
    const info = [{ type: 'Raw48', value: `0x${toHex(encodeLogAnchor(head))}` }];
    return this.#send(hotkey, 'Commitments.set_commitment', { info });
  }

  /** Ends all streams and lets go of the nodes. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#port.close();
  }

  /** A call of the subnet. */
  #send(signer: KeySigner, name: string, args: Fields): Promise<Outcome> {
    return this.#submitter.send(signer, { name, args: { netuid: this.#options.netuid, ...args } });
  }

  #follow(from: number, { signal }: StreamOptions): AsyncGenerator<BlockRef> {
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    return followFinalized(this.#port, from, stop, this.#options.sleep);
  }

  async #blockRef({ number, hash }: BlockId): Promise<BlockRef> {
    return { number, hash, timeMs: Number(await this.#port.query('Timestamp.Now', [], hash)) };
  }

  /** Whether the chain's copy of the beacon is about as far as it must be. */
  async #beaconRuns(best: BlockRef, beacon: Beacon): Promise<boolean> {
    const stored = Number(await this.#port.query('Drand.LastStoredRound', [], best.hash));
    return roundAt(best.timeMs, beacon) - stored <= MOST_ROUNDS_BEHIND;
  }

  /** The sealed row; null when it cannot be sealed here and nobody insists on it. */
  async #seal(payload: Uint8Array, plan: RevealPlan, options: WeightsOptions): Promise<Uint8Array | null> {
    const { beacon = QUICKNET, randomBytes = systemRandomBytes } = this.#options;
    try {
      return await sealTimelocked(payload, plan.revealRound, beacon, randomBytes);
    } catch (error) {
      if (options.commit === 'timelocked' || !(error instanceof CeliumError) || error.code !== 'UNSUPPORTED')
        throw error;
      return null;
    }
  }

  async #receipt(
    hotkey: KeySigner,
    row: WeightsRow,
    call: CallToSend,
    later: { plan?: RevealPlan; secret?: HashedWeightsSecret },
  ): Promise<WeightsReceipt> {
    const args = { netuid: this.#options.netuid, ...call.args };
    const outcome = await this.#submitter.send(hotkey, { ...call, args });
    if (!outcome.ok) return outcome;
    const at = { hash: outcome.block.hash };
    const [neurons, schedule] = await Promise.all([this.neurons(at), this.schedule(at)]);
    const uid = neurons.find((neuron) => neuron.hotkey === hotkey.ss58)?.uid ?? -1;
    const rowDigest = weightsRowDigest(row);
    return { ok: true, uid, rowDigest, ...describeCommit(later, schedule, outcome.block), txHash: outcome.txHash };
  }
}
