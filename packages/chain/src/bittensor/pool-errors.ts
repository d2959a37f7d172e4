/** What nodes say to extrinsics they do not take, as the pallet's own error names. */
import type { CallKind } from './chain-port.ts';
import type { RpcRefusal } from './rpc-connection.ts';

const ALREADY_IMPORTED = 1013;
const TEMPORARILY_BANNED = 1012;
const PRIORITY_TOO_LOW = 1014;
const POOL_FULL = 1016;

/** Substrate's texts for an invalid transaction. */
const BY_TEXT: ReadonlyArray<readonly [RegExp, string]> = [
  [/outdated/i, 'Stale'],
  [/valid in the future/i, 'Future'],
  [/pay some fees|balance too low/i, 'Payment'],
  [/bad signature/i, 'BadProof'],
  [/ancient birth block/i, 'AncientBirthBlock'],
  [/exhaust/i, 'ExhaustsResources'],
];

/** Subtensor's custom codes, where one code has one meaning. */
const BY_CODE: Readonly<Record<number, string>> = {
  0: 'ColdkeySwapAnnounced',
  2: 'NotEnoughBalanceToStake',
  3: 'SubnetNotExists',
  4: 'HotKeyAccountNotExists',
  5: 'NotEnoughStakeToWithdraw',
  7: 'InsufficientLiquidity',
  8: 'SlippageTooHigh',
  9: 'TransferDisallowed',
  10: 'HotKeyNotRegisteredInNetwork',
  11: 'InvalidIpAddress',
  12: 'ServingRateLimitExceeded',
  13: 'InvalidPort',
  15: 'InvalidRevealRound',
  16: 'NoWeightsCommitFound',
  17: 'RevealTooEarly',
  18: 'InputLengthsUnequal',
  19: 'HotKeyNotRegisteredInSubNet',
  21: 'ColdkeySwapDisputed',
  25: 'NonAssociatedColdKey',
};

/** Whether the node has the extrinsic, or had it a moment ago: then its fate is found on chain. */
export function isKnownToPool({ code }: RpcRefusal): boolean {
  return code === ALREADY_IMPORTED || code === TEMPORARILY_BANNED;
}

/** The error's name. `Stale` also where another extrinsic with this nonce was there first. */
export function poolErrorName(refusal: RpcRefusal, kind: CallKind): string {
  if (refusal.code === PRIORITY_TOO_LOW) return 'Stale';
  if (refusal.code === POOL_FULL) return 'ImmediatelyDropped';
  const text = `${refusal.message} ${typeof refusal.data === 'string' ? refusal.data : ''}`;
  const custom = /custom error:?\s*(\d{1,3})/i.exec(text)?.[1];
  if (custom !== undefined) return customErrorName(Number(custom), kind);
  return BY_TEXT.find(([form]) => form.test(text))?.[1] ?? 'InvalidTransaction';
}

function customErrorName(code: number, kind: CallKind): string {
  if (code === 1) return kind === 'weights' ? 'NotEnoughStakeToSetWeights' : 'AmountTooLow';
  if (code === 6) {
    return kind === 'weights'
      ? 'SettingWeightsTooFast'
      : kind === 'commit'
        ? 'CommittingWeightsTooFast'
        : 'NetworkTxRateLimitExceeded';
  }
  return BY_CODE[code] ?? `Custom(${code})`;
}
