/** Everything of a Bittensor runtime that this adapter uses, with the shapes it expects (checked against spec 424 and 425). */
import type { Shape } from './shapes.ts';

/** Storage: shapes of the keys and of the value. */
export interface NeededStorage {
  readonly keys: readonly Shape[];
  readonly value: Shape;
}

/** A runtime call: shapes of its arguments by name, and of its answer. */
export interface NeededApi {
  readonly inputs: Readonly<Record<string, Shape>>;
  readonly output: Shape;
}

const NETUID: readonly Shape[] = ['uint'];
const perSubnet = (value: Shape): NeededStorage => ({ keys: NETUID, value });
const exactly = (fields: Readonly<Record<string, Shape>>): Shape => ({ exactly: fields });

const AXON: Shape = { fields: { block: 'uint', ip: 'uint', port: 'uint', protocol: 'uint', ip_type: 'uint' } };
const COMMITMENT: Shape = { list: { variants: { Raw48: 'bytes' } } };
/** An `i128` or `u128` with 32 bits after the point. */
const FIXED_32: Shape = 'int';

/** Storage items by `Pallet.Item`. */
export const NEEDED_STORAGE: Readonly<Record<string, NeededStorage>> = {
  'System.Account': {
    keys: ['account'],
    value: { fields: { nonce: 'uint', data: { fields: { free: 'uint', reserved: 'uint' } } } },
  },
  'System.Events': {
    keys: [],
    value: {
      list: {
        fields: {
          phase: { variants: { ApplyExtrinsic: 'uint' } },
          event: {
            variants: {
              System: {
                variants: {
                  ExtrinsicSuccess: { fields: {} },
                  ExtrinsicFailed: { fields: { dispatch_error: { variants: { Module: null } } } },
                },
              },
              Balances: { variants: { Transfer: { fields: { from: 'account', to: 'account', amount: 'uint' } } } },
            },
          },
        },
      },
    },
  },
  'Timestamp.Now': { keys: [], value: 'uint' },
  'SubtensorModule.NetworksAdded': perSubnet('bool'),
  'SubtensorModule.SubnetOwner': perSubnet('account'),
  'SubtensorModule.SubnetOwnerHotkey': perSubnet('account'),
  'SubtensorModule.Tempo': perSubnet('uint'),
  'SubtensorModule.MaxAllowedUids': perSubnet('uint'),
  'SubtensorModule.MaxAllowedValidators': perSubnet('uint'),
  'SubtensorModule.ImmunityPeriod': perSubnet('uint'),
  'SubtensorModule.MinAllowedWeights': perSubnet('uint'),
  'SubtensorModule.WeightsSetRateLimit': perSubnet('uint'),
  'SubtensorModule.WeightsVersionKey': perSubnet('uint'),
  'SubtensorModule.StakeThreshold': { keys: [], value: 'uint' },
  'SubtensorModule.ServingRateLimit': perSubnet('uint'),
  'SubtensorModule.ActivityCutoffFactorMilli': perSubnet('uint'),
  'SubtensorModule.CommitRevealWeightsEnabled': perSubnet('bool'),
  'SubtensorModule.CommitRevealWeightsVersion': { keys: [], value: 'uint' },
  'SubtensorModule.RevealPeriodEpochs': perSubnet('uint'),
  'SubtensorModule.RecycleOrBurn': perSubnet({ variants: { Burn: null, Recycle: null } }),
  'SubtensorModule.MinerBurned': perSubnet(FIXED_32),
  'SubtensorModule.SubnetAlphaOut': perSubnet('uint'),
  'SubtensorModule.Burn': perSubnet('uint'),
  'SubtensorModule.LastEpochBlock': perSubnet('uint'),
  'SubtensorModule.PendingEpochAt': perSubnet('uint'),
  'SubtensorModule.SubnetEpochIndex': perSubnet('uint'),
  'SubtensorModule.SubnetMovingPrice': perSubnet(FIXED_32),
  'SubtensorModule.Weights': { keys: ['uint', 'uint'], value: { list: { tuple: ['uint', 'uint'] } } },
  'SubtensorModule.TimelockedWeightCommits': {
    keys: ['uint', 'uint'],
    value: { list: { tuple: ['account', 'uint', 'bytes', 'uint'] } },
  },
  'SubtensorModule.WeightCommits': {
    keys: ['uint', 'account'],
    value: { list: { tuple: ['bytes', 'uint', 'uint', 'uint'] } },
  },
  'SubtensorModule.AssociatedEvmAddress': { keys: ['uint', 'uint'], value: { tuple: ['bytes', 'uint'] } },
  'Drand.LastStoredRound': { keys: [], value: 'uint' },
  'Commitments.CommitmentOf': {
    keys: ['uint', 'account'],
    // The pallet's `info` is a struct of one field, which metadata shows as that field.
    value: { fields: { block: 'uint', info: COMMITMENT } },
  },
};

/** Runtime calls by `Api.method`. */
export const NEEDED_APIS: Readonly<Record<string, NeededApi>> = {
  'SubnetInfoRuntimeApi.get_metagraph': {
    inputs: { netuid: 'uint' },
    output: {
      option: {
        fields: {
          hotkeys: { list: 'account' },
          coldkeys: { list: 'account' },
          axons: { list: AXON },
          active: { list: 'bool' },
          validator_permit: { list: 'bool' },
          last_update: { list: 'uint' },
          emission: { list: 'uint' },
          dividends: { list: 'uint' },
          incentives: { list: 'uint' },
          block_at_registration: { list: 'uint' },
          alpha_stake: { list: 'uint' },
          tao_stake: { list: 'uint' },
          total_stake: { list: 'uint' },
        },
      },
    },
  },
  'SubnetInfoRuntimeApi.get_next_epoch_start_block': { inputs: { netuid: 'uint' }, output: { option: 'uint' } },
  'SwapRuntimeApi.current_alpha_price': { inputs: { netuid: 'uint' }, output: 'uint' },
  'StakeInfoRuntimeApi.get_stake_info_for_coldkey': {
    inputs: { coldkey_account: 'account' },
    output: { list: { fields: { hotkey: 'account', netuid: 'uint', stake: 'uint' } } },
  },
};

/** Calls by `Pallet.call`: all arguments, as they are sent. */
export const NEEDED_CALLS: Readonly<Record<string, Shape>> = {
  'SubtensorModule.register_limit': exactly({ netuid: 'uint', hotkey: 'account', limit_price: 'uint' }),
  'SubtensorModule.serve_axon': exactly({
    netuid: 'uint',
    version: 'uint',
    ip: 'uint',
    port: 'uint',
    ip_type: 'uint',
    protocol: 'uint',
    placeholder1: 'uint',
    placeholder2: 'uint',
  }),
  'SubtensorModule.set_weights': exactly({
    netuid: 'uint',
    dests: { list: 'uint' },
    weights: { list: 'uint' },
    version_key: 'uint',
  }),
  'SubtensorModule.commit_timelocked_weights': exactly({
    netuid: 'uint',
    commit: 'bytes',
    reveal_round: 'uint',
    commit_reveal_version: 'uint',
  }),
  'SubtensorModule.commit_weights': exactly({ netuid: 'uint', commit_hash: 'bytes' }),
  'SubtensorModule.reveal_weights': exactly({
    netuid: 'uint',
    uids: { list: 'uint' },
    values: { list: 'uint' },
    salt: { list: 'uint' },
    version_key: 'uint',
  }),
  'SubtensorModule.add_stake': exactly({ hotkey: 'account', netuid: 'uint', amount_staked: 'uint' }),
  'SubtensorModule.transfer_stake': exactly({
    destination_coldkey: 'account',
    hotkey: 'account',
    origin_netuid: 'uint',
    destination_netuid: 'uint',
    alpha_amount: 'uint',
  }),
  'SubtensorModule.recycle_alpha': exactly({ hotkey: 'account', amount: 'uint', netuid: 'uint' }),
  'SubtensorModule.burn_alpha': exactly({ hotkey: 'account', amount: 'uint', netuid: 'uint' }),
  'Balances.transfer_keep_alive': exactly({ dest: { variants: { Id: 'account' } }, value: 'uint' }),
  'Commitments.set_commitment': exactly({ netuid: 'uint', info: COMMITMENT }),
};

/** Constants by `Pallet.Name`. */
export const NEEDED_CONSTANTS: Readonly<Record<string, Shape>> = { 'Balances.ExistentialDeposit': 'uint' };
