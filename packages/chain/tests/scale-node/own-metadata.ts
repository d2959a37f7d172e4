/** Metadata of our own making (version 15): the part of a Bittensor runtime that the tests' node speaks, with the real pallet and call indices. */
import { metadata as metadataCodec } from '@polkadot-api/substrate-bindings';
import { toHex } from '../../src/keys/bytes.ts';

type Metadata = Parameters<typeof metadataCodec.enc>[0];
type V15 = Extract<Metadata['metadata'], { tag: 'v15' }>['value'];
type TypeEntry = V15['lookup'][number];
type Hasher = 'Blake2128Concat' | 'Twox64Concat' | 'Identity';
/** A type by its place in the registry. */
type TypeId = number;

const PRIMITIVES = ['bool', 'str', 'u8', 'u16', 'u32', 'u64', 'u128', 'i128'] as const;

/** The registry of types; the same description twice is one type. */
class Types {
  readonly entries: TypeEntry[] = [];
  readonly #known = new Map<string, TypeId>();

  add(def: TypeEntry['def'], path: string[] = [], params: TypeEntry['params'] = []): TypeId {
    const name = JSON.stringify([path, def]);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const id = this.entries.length;
    this.entries.push({ id, path, params, def, docs: [] });
    this.#known.set(name, id);
    return id;
  }

  plain(name: (typeof PRIMITIVES)[number]): TypeId {
    return this.add({ tag: 'primitive', value: { tag: name, value: undefined } });
  }

  list(of: TypeId): TypeId {
    return this.add({ tag: 'sequence', value: of });
  }

  array(of: TypeId, len: number): TypeId {
    return this.add({ tag: 'array', value: { len, type: of } });
  }

  tuple(...of: TypeId[]): TypeId {
    return this.add({ tag: 'tuple', value: of });
  }

  compact(of: TypeId): TypeId {
    return this.add({ tag: 'compact', value: of });
  }

  struct(fields: Record<string, TypeId>, path: string[] = []): TypeId {
    return this.add({ tag: 'composite', value: namedFields(fields) }, path);
  }

  /** Variants by name: their index, and their fields by name or by place. */
  variants(
    all: Record<string, [index: number, fields?: Record<string, TypeId> | TypeId[]]>,
    path: string[] = [],
  ): TypeId {
    const value = Object.entries(all).map(([name, [index, fields = []]]) => ({
      name,
      index,
      fields: Array.isArray(fields) ? fields.map((type) => field(undefined, type)) : namedFields(fields),
      docs: [],
    }));
    return this.add({ tag: 'variant', value }, path);
  }

  option(of: TypeId): TypeId {
    const value = [
      { name: 'None', index: 0, fields: [], docs: [] },
      { name: 'Some', index: 1, fields: [field(undefined, of)], docs: [] },
    ];
    return this.add({ tag: 'variant', value }, ['Option'], [{ name: 'T', type: of }]);
  }

  account(): TypeId {
    const bytes = this.array(this.plain('u8'), 32);
    return this.add({ tag: 'composite', value: [field(undefined, bytes)] }, ['sp_core', 'crypto', 'AccountId32']);
  }
}

function field(
  name: string | undefined,
  type: TypeId,
): { name: string | undefined; type: TypeId; typeName: undefined; docs: string[] } {
  return { name, type, typeName: undefined, docs: [] };
}

function namedFields(fields: Record<string, TypeId>): ReturnType<typeof field>[] {
  return Object.entries(fields).map(([name, type]) => field(name, type));
}

/** What a test changes of the runtime. */
export interface MetadataChanges {
  /** Leaves `set_weights` without its version key. */
  readonly setWeightsWithoutVersionKey?: boolean;
  /** A transaction extension with bytes that nobody here knows. */
  readonly unknownExtension?: boolean;
}

/** Error names of the subtensor pallet that the devchain uses, in order of their (own) indices. */
export const PALLET_ERRORS: readonly string[] = [
  'HotKeyNotRegisteredInSubNet',
  'HotKeyAccountNotExists',
  'NonAssociatedColdKey',
  'NotEnoughStakeToWithdraw',
  'NotEnoughStakeToSetWeights',
  'NotEnoughBalanceToStake',
  'NeuronNoValidatorPermit',
  'DuplicateUids',
  'UidVecContainInvalidOne',
  'WeightVecLengthIsLow',
  'HotKeyAlreadyRegisteredInSubNet',
  'IncorrectWeightVersionKey',
  'UidsLengthExceedUidsInSubNet',
  'NoNeuronIdAvailable',
  'InvalidRevealCommitHashNotMatch',
  'CommitRevealEnabled',
  'CommitRevealDisabled',
  'TooManyUnrevealedCommits',
  'ExpiredWeightCommit',
  'AmountTooLow',
  'InsufficientLiquidity',
  'RegistrationPriceLimitExceeded',
  'SpaceLimitExceeded',
];

/** The metadata's bytes, as `Metadata_metadata_at_version` gives them. */
export function ownMetadata(changes: MetadataChanges = {}): Uint8Array {
  const types = new Types();
  const [bool, str, u8, u16, u32, u64, u128, i128] = PRIMITIVES.map((name) => types.plain(name)) as [
    TypeId,
    TypeId,
    TypeId,
    TypeId,
    TypeId,
    TypeId,
    TypeId,
    TypeId,
  ];
  const account = types.account();
  const bytes = types.list(u8);
  const hash = types.array(u8, 32);
  const nothing = types.tuple();
  const big = types.compact(u64);
  const small = types.compact(u16);
  const data = types.variants(
    {
      None: [0],
      ...Object.fromEntries(
        [32, 48, 64].map((size) => [`Raw${size}`, [size + 1, [types.array(u8, size)]] as [number, TypeId[]]]),
      ),
    },
    ['pallet_commitments', 'types', 'Data'],
  );
  const info = types.list(data);
  const address = types.variants({ Id: [0, [account]], Raw: [2, [bytes]] }, [
    'sp_runtime',
    'multiaddress',
    'MultiAddress',
  ]);
  const signature = types.variants({ Sr25519: [1, [types.array(u8, 64)]] }, ['sp_runtime', 'MultiSignature']);
  const axon = types.struct({
    block: u64,
    version: u32,
    ip: u128,
    port: u16,
    ip_type: u8,
    protocol: u8,
    placeholder1: u8,
    placeholder2: u8,
  });

  const calls = {
    Timestamp: types.variants({ set: [0, { now: big }] }),
    Balances: types.variants({ transfer_keep_alive: [3, { dest: address, value: big }] }),
    SubtensorModule: types.variants({
      set_weights: [
        0,
        {
          netuid: u16,
          dests: types.list(u16),
          weights: types.list(u16),
          ...(changes.setWeightsWithoutVersionKey === true ? {} : { version_key: u64 }),
        },
      ],
      add_stake: [2, { hotkey: account, netuid: u16, amount_staked: u64 }],
      serve_axon: [
        4,
        {
          netuid: u16,
          version: u32,
          ip: u128,
          port: u16,
          ip_type: u8,
          protocol: u8,
          placeholder1: u8,
          placeholder2: u8,
        },
      ],
      transfer_stake: [
        86,
        {
          destination_coldkey: account,
          hotkey: account,
          origin_netuid: u16,
          destination_netuid: u16,
          alpha_amount: u64,
        },
      ],
      commit_weights: [96, { netuid: u16, commit_hash: hash }],
      reveal_weights: [
        97,
        { netuid: u16, uids: types.list(u16), values: types.list(u16), salt: types.list(u16), version_key: u64 },
      ],
      recycle_alpha: [101, { hotkey: account, amount: u64, netuid: u16 }],
      burn_alpha: [102, { hotkey: account, amount: u64, netuid: u16 }],
      commit_timelocked_weights: [113, { netuid: u16, commit: bytes, reveal_round: u64, commit_reveal_version: u16 }],
      register_limit: [134, { netuid: u16, hotkey: account, limit_price: u64 }],
    }),
    Commitments: types.variants({ set_commitment: [0, { netuid: u16, info }] }),
  };
  const errors = types.variants(Object.fromEntries(PALLET_ERRORS.map((name, index) => [name, [index] as [number]])));
  const moduleError = types.struct({ index: u8, error: types.array(u8, 4) }, ['sp_runtime', 'ModuleError']);
  const token = types.variants({ FundsUnavailable: [0], OnlyProvider: [1], BelowMinimum: [2], NotExpendable: [9] });
  const fault = types.variants({ BadOrigin: [2], Module: [3, [moduleError]], Token: [7, [token]] });
  const dispatchInfo = types.struct({ weight: big, pays_fee: bool });
  const events = {
    System: types.variants({
      ExtrinsicSuccess: [0, { dispatch_info: dispatchInfo }],
      ExtrinsicFailed: [1, { dispatch_error: fault, dispatch_info: dispatchInfo }],
    }),
    Balances: types.variants({ Transfer: [2, { from: account, to: account, amount: u64 }] }),
  };
  const index = { System: 0, Timestamp: 2, Balances: 5, SubtensorModule: 7, Commitments: 18, Drand: 26 };
  const outer = (of: Record<string, TypeId>, path: string): TypeId =>
    types.variants(
      Object.fromEntries(
        Object.entries(of).map(([name, type]) => [
          name,
          [index[name as keyof typeof index], [type]] as [number, TypeId[]],
        ]),
      ),
      ['node_subtensor_runtime', path],
    );
  const event = outer(events, 'RuntimeEvent');
  const call = outer(calls, 'RuntimeCall');
  const outerError = outer({ SubtensorModule: errors }, 'RuntimeError');
  const phase = types.variants({ ApplyExtrinsic: [0, [u32]], Finalization: [1], Initialization: [2] });
  const record = types.struct({ phase, event, topics: types.list(hash) });

  type Item = V15['pallets'][number]['storage'] extends infer S
    ? S extends { items: Array<infer I> }
      ? I
      : never
    : never;
  const item = (
    name: string,
    hashers: Hasher[],
    key: TypeId | null,
    value: TypeId,
    fallback: Uint8Array | null,
  ): Item => ({
    name,
    modifier: fallback === null ? 0 : 1,
    type:
      key === null
        ? { tag: 'plain', value }
        : { tag: 'map', value: { hashers: hashers.map((tag) => ({ tag, value: undefined })), key, value } },
    fallback: `0x${toHex(fallback ?? Uint8Array.of(0))}`,
    docs: [],
  });
  const zeros = (length: number): Uint8Array => new Uint8Array(length);
  const perSubnet = (name: string, value: TypeId, size: number): Item =>
    item(name, ['Identity'], u16, value, zeros(size));
  const accountData = types.struct({ free: u64, reserved: u64, frozen: u64, flags: u128 });
  const storage: Record<string, Item[]> = {
    System: [
      item(
        'Account',
        ['Blake2128Concat'],
        account,
        types.struct({ nonce: u32, consumers: u32, providers: u32, sufficients: u32, data: accountData }),
        zeros(56),
      ),
      item('Events', [], null, types.list(record), zeros(1)),
    ],
    Timestamp: [item('Now', [], null, u64, zeros(8))],
    SubtensorModule: [
      perSubnet('NetworksAdded', bool, 1),
      perSubnet('SubnetOwner', account, 32),
      perSubnet('SubnetOwnerHotkey', account, 32),
      ...['Tempo', 'MaxAllowedUids', 'MaxAllowedValidators', 'ImmunityPeriod', 'MinAllowedWeights'].map((name) =>
        perSubnet(name, u16, 2),
      ),
      ...[
        'WeightsSetRateLimit',
        'WeightsVersionKey',
        'ServingRateLimit',
        'SubnetAlphaOut',
        'Burn',
        'LastEpochBlock',
        'PendingEpochAt',
        'SubnetEpochIndex',
      ].map((name) => perSubnet(name, u64, 8)),
      perSubnet('ActivityCutoffFactorMilli', u32, 4),
      item('StakeThreshold', [], null, u64, zeros(8)),
      perSubnet('CommitRevealWeightsEnabled', bool, 1),
      item('CommitRevealWeightsVersion', [], null, u16, Uint8Array.of(4, 0)),
      item('RevealPeriodEpochs', ['Twox64Concat'], u16, u64, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)),
      perSubnet('RecycleOrBurn', types.variants({ Burn: [0], Recycle: [1] }), 1),
      perSubnet('MinerBurned', u128, 16),
      perSubnet('SubnetMovingPrice', i128, 16),
      item('Weights', ['Identity', 'Identity'], types.tuple(u16, u16), types.list(types.tuple(u16, u16)), zeros(1)),
      item(
        'TimelockedWeightCommits',
        ['Twox64Concat', 'Twox64Concat'],
        types.tuple(u16, u64),
        types.list(types.tuple(account, u64, bytes, u64)),
        zeros(1),
      ),
      item(
        'WeightCommits',
        ['Twox64Concat', 'Twox64Concat'],
        types.tuple(u16, account),
        types.list(types.tuple(hash, u64, u64, u64)),
        null,
      ),
      item(
        'AssociatedEvmAddress',
        ['Twox64Concat', 'Twox64Concat'],
        types.tuple(u16, u16),
        types.tuple(types.array(u8, 20), u64),
        null,
      ),
    ],
    Commitments: [
      item(
        'CommitmentOf',
        ['Identity', 'Twox64Concat'],
        types.tuple(u16, account),
        types.struct({ deposit: u64, block: u32, info }),
        null,
      ),
    ],
    Drand: [item('LastStoredRound', [], null, u64, zeros(8))],
  };
  const metagraph = types.option(
    types.struct({
      netuid: small,
      name: bytes,
      hotkeys: types.list(account),
      coldkeys: types.list(account),
      axons: types.list(axon),
      active: types.list(bool),
      validator_permit: types.list(bool),
      last_update: types.list(big),
      emission: types.list(big),
      dividends: types.list(small),
      incentives: types.list(small),
      block_at_registration: types.list(big),
      alpha_stake: types.list(big),
      tao_stake: types.list(big),
      total_stake: types.list(big),
    }),
  );
  const stakeInfo = types.list(types.struct({ hotkey: account, coldkey: account, netuid: small, stake: big }));
  const method = (name: string, input: string, type: TypeId, output: TypeId) => ({
    name,
    inputs: [{ name: input, type }],
    output,
    docs: [],
  });
  const apis = [
    {
      name: 'SubnetInfoRuntimeApi',
      methods: [
        method('get_metagraph', 'netuid', u16, metagraph),
        method('get_next_epoch_start_block', 'netuid', u16, types.option(u64)),
      ],
      docs: [],
    },
    { name: 'SwapRuntimeApi', methods: [method('current_alpha_price', 'netuid', u16, u64)], docs: [] },
    {
      name: 'StakeInfoRuntimeApi',
      methods: [method('get_stake_info_for_coldkey', 'coldkey_account', account, stakeInfo)],
      docs: [],
    },
  ];
  const era = types.variants({ Immortal: [0], Mortal1: [1, [u8]] }, ['sp_runtime', 'generic', 'era', 'Era']);
  const extension = (identifier: string, type = nothing, additionalSigned = nothing) => ({
    identifier,
    type,
    additionalSigned,
  });
  const value: V15 = {
    lookup: types.entries,
    pallets: Object.entries(index).map(([name, at]) => ({
      name,
      storage: storage[name] === undefined ? undefined : { prefix: name, items: storage[name] },
      calls: calls[name as keyof typeof calls],
      events: events[name as keyof typeof events],
      constants:
        name === 'Balances' ? [{ name: 'ExistentialDeposit', type: u64, value: '0xf401000000000000', docs: [] }] : [],
      errors: name === 'SubtensorModule' ? errors : undefined,
      index: at,
      docs: [],
    })),
    extrinsic: {
      version: 4,
      address,
      call,
      signature,
      extra: nothing,
      signedExtensions: [
        extension('CheckNonZeroSender'),
        extension('CheckSpecVersion', nothing, u32),
        extension('CheckTxVersion', nothing, u32),
        extension('CheckGenesis', nothing, hash),
        extension('CheckMortality', era, hash),
        extension('CheckNonce', types.compact(u32)),
        extension('CheckWeight'),
        extension('ChargeTransactionPayment', big),
        extension('SubtensorTransactionExtension'),
        extension('CheckMetadataHash', types.variants({ Disabled: [0], Enabled: [1] }), types.option(hash)),
        ...(changes.unknownExtension === true ? [extension('CheckTribute', u8)] : []),
      ],
    },
    type: nothing,
    apis,
    outerEnums: { call, event, error: outerError },
    custom: [],
  };
  void str;
  return metadataCodec.enc({ magicNumber: 1_635_018_093, metadata: { tag: 'v15', value } });
}
