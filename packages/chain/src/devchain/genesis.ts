/** What a devchain starts from. Everything that decides its history is here or in its operations: no clock, no chance. */
import { createHash } from 'node:crypto';
import { canonicalJson } from '@celium/contract';
import { keyFromUri } from '../keys/key-pair.ts';
import type { Ss58 } from '../keys/ss58.ts';
import { QUICKNET } from '../commit-reveal/drand.ts';
import { RAO_PER_TAO, type Rao } from '../subnet-chain.ts';

/** The rules that this version plays by; a chain that began under others cannot be replayed. */
export const DEVCHAIN_RULES = 3;

/** The parameters of a devchain, fixed for its life; amounts in rao, lengths in blocks. */
export interface DevchainGenesis {
  /** Number of the rules (`DEVCHAIN_RULES`). */
  readonly rules: number;
  /** Any text: two chains with different seeds have different hashes throughout. */
  readonly seed: string;
  readonly netuid: number;
  readonly timeMs: number;
  readonly ownerColdkey: Ss58;
  /** Registered as UID 0 from the start. */
  readonly ownerHotkey: Ss58;
  readonly tempo: number;
  readonly maxUids: number;
  readonly maxValidators: number;
  readonly immunityPeriodBlocks: number;
  readonly minAllowedWeights: number;
  readonly weightsRateLimitBlocks: number;
  readonly weightsVersionKey: bigint;
  readonly stakeThreshold: Rao;
  readonly servingRateLimitBlocks: number;
  readonly activityCutoffBlocks: number;
  readonly burnMode: 'burn' | 'recycle';
  /** Whether weights are committed first and revealed so many epochs later. */
  readonly commitReveal: boolean;
  readonly revealPeriodEpochs: number;
  /** The chain's own beacon: rounds as of drand's quicknet, so many milliseconds apart. */
  readonly drandGenesisMs: number;
  readonly drandPeriodMs: number;
  /** Alpha issued in each block: 18 % to the owner, 41 % to miners, 41 % to validators. None by default. */
  readonly alphaPerBlock: Rao;
  /** Cost of a registration, at first and at least: each one raises it by an eighth, each epoch lowers it by an eighth. */
  readonly registrationCost: Rao;
  /** Fee of an operation that a coldkey signs; burned. Hotkey operations are free. */
  readonly feeRao: Rao;
  readonly existentialDeposit: Rao;
  readonly minStake: Rao;
  /** Reserves of the alpha pool. */
  readonly poolTao: Rao;
  readonly poolAlpha: Rao;
  /** How many blocks behind the newest the finalised one is. */
  readonly finalityLagBlocks: number;
  /** How many blocks of state are kept for reads by hash. */
  readonly stateWindowBlocks: number;
  readonly endowments: ReadonlyArray<{ readonly ss58: Ss58; readonly free: Rao }>;
}

/**
 * Bittensor's own defaults for a subnet (spec 425), small reserves, `//Alice` as owner with a million TAO. Commit-reveal
 * is off unless asked for, as on a subnet whose owner has turned it off.
 */
export function defaultGenesis(overrides: Partial<DevchainGenesis> = {}): DevchainGenesis {
  const owner = keyFromUri('//Alice');
  return {
    rules: DEVCHAIN_RULES,
    seed: 'celium',
    netuid: 51,
    timeMs: 1_767_225_600_000,
    ownerColdkey: owner.ss58,
    ownerHotkey: owner.deriveHard('default').ss58,
    tempo: 360,
    maxUids: 256,
    maxValidators: 64,
    immunityPeriodBlocks: 5_000,
    minAllowedWeights: 1,
    weightsRateLimitBlocks: 100,
    weightsVersionKey: 0n,
    stakeThreshold: 0n,
    servingRateLimitBlocks: 50,
    activityCutoffBlocks: 5_000,
    burnMode: 'burn',
    commitReveal: false,
    revealPeriodEpochs: 1,
    drandGenesisMs: QUICKNET.genesisMs,
    drandPeriodMs: QUICKNET.periodMs,
    alphaPerBlock: 0n,
    registrationCost: RAO_PER_TAO / 1_000n,
    feeRao: 137_000n,
    existentialDeposit: 500n,
    minStake: 2_000_000n,
    poolTao: 10_000n * RAO_PER_TAO,
    poolAlpha: 100_000n * RAO_PER_TAO,
    finalityLagBlocks: 2,
    stateWindowBlocks: 2_400,
    endowments: [{ ss58: owner.ss58, free: 1_000_000n * RAO_PER_TAO }],
    ...overrides,
  };
}

/** The chain's identity: signed into every operation, so that none can be replayed on another chain. */
export function genesisHash(genesis: DevchainGenesis): string {
  return createHash('sha256')
    .update(`celium devchain\n${canonicalJson(genesis)}`)
    .digest('hex');
}
