/** The devchain's state as the storage items and runtime calls of a Bittensor runtime. */
import { roundAt } from '../../src/commit-reveal/drand.ts';
import { compactLength, concat, fromHex, toHex } from '../../src/keys/bytes.ts';
import type { BlockRef, SubnetParams } from '../../src/subnet-chain.ts';
import type { Wire } from '../../src/devchain/port.ts';
import { encodeIp } from '../../src/bittensor/decoders.ts';
import { encodeLogAnchor } from '../../src/bittensor/log-anchor.ts';
import { NEEDED_STORAGE } from '../../src/bittensor/needed-items.ts';
import type { ScaleNode } from './scale-node.ts';

type Where = BlockRef & { readonly events: readonly unknown[] };

/** The stored bytes of a key, or null. */
export async function answerStorage(node: ScaleNode, key: string, block: Where): Promise<string | null> {
  for (const item of Object.keys(NEEDED_STORAGE)) {
    const [pallet = '', name = ''] = item.split('.');
    const storage = node.builder.buildStorage(pallet, name);
    if (!key.startsWith(storage.keys.enc())) continue;
    const keys = storage.len === 0 ? [] : storage.keys.dec(key);
    const value = await valueOf(node, name, keys, block);
    if (name === 'Events') return `0x${toHex(encodeEvents(block.events, (events) => storage.value.enc(events)))}`;
    return value === undefined ? null : `0x${toHex(storage.value.enc(value))}`;
  }
  return null;
}

/** The answer of a runtime call (`Api_method`). */
export async function answerApi(node: ScaleNode, name: string, argument: string, block: Where): Promise<string> {
  const at = name.indexOf('_');
  const { args, value } = node.builder.buildRuntimeCall(name.slice(0, at), name.slice(at + 1));
  const [first] = args.dec(fromHex(argument) ?? new Uint8Array());
  return `0x${toHex(value.enc(await apiValue(node, name.slice(at + 1), first, block)))}`;
}

/** Where a pallet's error is in the record of a failed extrinsic: behind phase, event and fault. */
const ERROR_END = 5 + 2 + 3;

/** Records one by one: the codec writes one byte of a pallet's error where the chain writes four. */
function encodeEvents(events: readonly unknown[], encode: (one: unknown[]) => Uint8Array): Uint8Array {
  const records = events.map((record) => {
    const bytes = encode([record]).slice(1);
    const { event } = record as { event: { value: { value: { dispatch_error?: { type: string } } } } };
    if (event.value.value.dispatch_error?.type !== 'Module') return bytes;
    return concat(bytes.slice(0, ERROR_END), new Uint8Array(3), bytes.slice(ERROR_END));
  });
  return concat(compactLength(records.length), ...records);
}

async function valueOf(node: ScaleNode, name: string, keys: readonly unknown[], block: Where): Promise<unknown> {
  const { chain } = node;
  const { devchain } = chain;
  const at = { hash: block.hash };
  switch (name) {
    case 'Events':
      return block.events;
    case 'Now':
      return BigInt(block.timeMs);
    case 'Account': {
      const { free, reserved } = await devchain.account(String(keys[0]), at);
      const nonce = await chain.nonce(String(keys[0]), at);
      const data = { free: BigInt(free), reserved: BigInt(reserved), frozen: 0n, flags: 0n };
      return { nonce, consumers: 0, providers: 1, sufficients: 0, data };
    }
    case 'LastStoredRound':
      return BigInt(roundAt(block.timeMs));
    case 'Weights':
      return devchain.weights(Number(keys[1]), at);
    case 'CommitmentOf': {
      const anchor = await devchain.anchor(String(keys[1]), at);
      const bytes = anchor === null ? null : `0x${toHex(encodeLogAnchor(anchor))}`;
      return anchor === null
        ? undefined
        : { deposit: 0n, block: anchor.block, info: [{ type: 'Raw48', value: bytes }] };
    }
    case 'WeightCommits': {
      const pending = await devchain.pendingWeights(String(keys[1]), at);
      const hashed = pending.filter(({ mode }) => mode === 'hashed');
      if (hashed.length === 0) return undefined;
      return hashed.map(({ digest, epoch, block: made }) => [`0x${digest}`, BigInt(epoch), BigInt(made), 0n]);
    }
    case 'TimelockedWeightCommits':
      return timelockedCommits(node, Number(keys[1]), block);
    case 'AssociatedEvmAddress':
      return undefined;
    default:
      return Number(keys[0] ?? devchain.genesis.netuid) === devchain.genesis.netuid
        ? subnetValue(node, name, at)
        : undefined;
  }
}

async function timelockedCommits(node: ScaleNode, epoch: number, block: Where): Promise<unknown[]> {
  const { devchain, commits } = node.chain;
  const hotkeys = [...new Set(commits.map(({ hotkey }) => hotkey))];
  const pending = await Promise.all(
    hotkeys.map(async (hotkey) => ({ hotkey, list: await devchain.pendingWeights(hotkey, { hash: block.hash }) })),
  );
  return pending.flatMap(({ hotkey, list }) =>
    list
      .filter((one) => one.mode === 'timelocked' && one.epoch === epoch)
      .map((one) => {
        const bytes = commits.findLast((kept) => kept.hotkey === hotkey && kept.block === one.block)?.bytes;
        return [hotkey, BigInt(one.block), bytes ?? new Uint8Array(), BigInt(one.revealRound ?? 0)];
      }),
  );
}

async function subnetValue(node: ScaleNode, name: string, at: { hash: string }): Promise<unknown> {
  const { devchain } = node.chain;
  const [subnet, schedule, price] = await Promise.all([
    devchain.subnet(at),
    devchain.schedule(at),
    devchain.alphaPrice(at),
  ]);
  const values: Record<string, (params: Wire<SubnetParams>) => unknown> = {
    NetworksAdded: () => true,
    SubnetOwner: ({ ownerColdkey }) => ownerColdkey,
    SubnetOwnerHotkey: ({ ownerHotkey }) => ownerHotkey,
    Tempo: ({ tempo }) => tempo,
    MaxAllowedUids: ({ maxUids }) => maxUids,
    MaxAllowedValidators: ({ maxValidators }) => maxValidators,
    ImmunityPeriod: ({ immunityPeriodBlocks }) => immunityPeriodBlocks,
    MinAllowedWeights: ({ minAllowedWeights }) => minAllowedWeights,
    WeightsSetRateLimit: ({ weightsRateLimitBlocks }) => BigInt(weightsRateLimitBlocks),
    WeightsVersionKey: ({ weightsVersionKey }) => BigInt(weightsVersionKey),
    StakeThreshold: ({ stakeThreshold }) => BigInt(stakeThreshold),
    ServingRateLimit: ({ servingRateLimitBlocks }) => BigInt(servingRateLimitBlocks),
    ActivityCutoffFactorMilli: ({ activityCutoffBlocks, tempo }) => Math.ceil((activityCutoffBlocks * 1_000) / tempo),
    CommitRevealWeightsEnabled: ({ commitReveal }) => commitReveal.enabled,
    CommitRevealWeightsVersion: ({ commitReveal }) => commitReveal.version,
    RevealPeriodEpochs: ({ commitReveal }) => BigInt(commitReveal.revealPeriodEpochs),
    RecycleOrBurn: ({ burnMode }) => ({ type: burnMode === 'burn' ? 'Burn' : 'Recycle' }),
    MinerBurned: ({ minerBurned }) => BigInt(Math.round(minerBurned * 2 ** 32)),
    SubnetAlphaOut: ({ alphaOut }) => BigInt(alphaOut),
    Burn: ({ registrationCost }) => BigInt(registrationCost),
    LastEpochBlock: () => BigInt(schedule.lastEpochBlock),
    PendingEpochAt: () => BigInt(schedule.pendingEpochAt ?? 0),
    SubnetEpochIndex: () => BigInt(schedule.epochIndex),
    SubnetMovingPrice: () => ((BigInt(price.emaRaoPerAlpha) << 32n) + 999_999_999n) / 1_000_000_000n,
  };
  return values[name]?.(subnet);
}

async function apiValue(node: ScaleNode, method: string, argument: unknown, block: Where): Promise<unknown> {
  const { devchain } = node.chain;
  const at = { hash: block.hash };
  if (method === 'current_alpha_price') return BigInt((await devchain.alphaPrice(at)).raoPerAlpha);
  if (method === 'get_stake_info_for_coldkey') {
    const neurons = await devchain.neurons(at);
    const { netuid } = devchain.genesis;
    return Promise.all(
      neurons.map(async ({ hotkey }) => {
        const stake = BigInt(await devchain.alphaStake(String(argument), hotkey, at));
        return { hotkey, coldkey: String(argument), netuid, stake };
      }),
    );
  }
  if (Number(argument) !== devchain.genesis.netuid) return undefined;
  if (method === 'get_next_epoch_start_block') return BigInt((await devchain.schedule(at)).nextEpochBlock);
  const neurons = await devchain.neurons(at);
  return {
    netuid: devchain.genesis.netuid,
    name: new Uint8Array(),
    hotkeys: neurons.map(({ hotkey }) => hotkey),
    coldkeys: neurons.map(({ coldkey }) => coldkey),
    axons: neurons.map(({ axon }) => ({
      version: 0,
      ...encodeIp(axon?.ip ?? '0.0.0.0'),
      block: BigInt(axon?.block ?? 0),
      port: axon?.port ?? 0,
      protocol: axon?.protocol ?? 0,
      placeholder1: 0,
      placeholder2: 0,
    })),
    active: neurons.map(({ active }) => active),
    validator_permit: neurons.map(({ validatorPermit }) => validatorPermit),
    last_update: neurons.map(({ lastUpdate }) => BigInt(lastUpdate)),
    emission: neurons.map(({ emission }) => BigInt(emission)),
    dividends: neurons.map(({ dividends }) => dividends),
    incentives: neurons.map(({ incentive }) => incentive),
    block_at_registration: neurons.map(({ registeredAt }) => BigInt(registeredAt)),
    alpha_stake: neurons.map(({ alphaStake }) => BigInt(alphaStake)),
    tao_stake: neurons.map(({ taoStake }) => BigInt(taoStake)),
    total_stake: neurons.map(({ totalStake }) => BigInt(totalStake)),
  };
}
