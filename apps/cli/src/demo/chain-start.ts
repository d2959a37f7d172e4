/** The keys of a demo on its own devchain: a validator with stake and a permit, a provider with a UID. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectDevchain, generateKey, RAO_PER_TAO, type DevchainClient, type Outcome } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import type { KnownHotkey } from '../wallet/hotkey.ts';

/** TAO from the faucet for each coldkey; enough for registration and stake. */
const GIFT_RAO = 1_000n * RAO_PER_TAO;
const STAKE_RAO = 100n * RAO_PER_TAO;
const PERMIT_TIMEOUT_MS = 60_000;

/** Registers the validator, stakes to it, and waits for its permit, which comes at an epoch. */
export async function enrolValidator(chainUrl: string, hotkey: KnownHotkey): Promise<void> {
  await withDevchain(chainUrl, async (chain) => {
    if (await hasPermit(chain, hotkey.ss58)) return;
    await registerWithGift(chain, hotkey.ss58, STAKE_RAO);
    const deadline = performance.now() + PERMIT_TIMEOUT_MS;
    while (!(await hasPermit(chain, hotkey.ss58))) {
      if (performance.now() > deadline) throw new CeliumError('TIMEOUT', 'The devchain gave the validator no permit.');
      await sleep(200);
    }
  });
}

/** Registers the provider's hotkey, so that what it earns by weights has a UID to go to. */
export async function enrolProvider(chainUrl: string, hotkey: KnownHotkey): Promise<void> {
  await withDevchain(chainUrl, (chain) => registerWithGift(chain, hotkey.ss58, 0n));
}

async function registerWithGift(chain: DevchainClient, hotkey: string, stakeRao: bigint): Promise<void> {
  const neurons = await chain.neurons();
  if (neurons.some((neuron) => neuron.hotkey === hotkey)) return;
  const coldkey = generateKey({ randomBytes });
  accepted('faucet', await chain.faucet(coldkey.ss58, GIFT_RAO));
  accepted('register', await chain.register(coldkey, hotkey, GIFT_RAO / 2n));
  if (stakeRao > 0n) accepted('add stake', await chain.addStake(coldkey, hotkey, stakeRao));
}

async function hasPermit(chain: DevchainClient, hotkey: string): Promise<boolean> {
  return (await chain.neurons()).some((neuron) => neuron.hotkey === hotkey && neuron.validatorPermit);
}

async function withDevchain<T>(chainUrl: string, work: (chain: DevchainClient) => Promise<T>): Promise<T> {
  const chain = connectDevchain(chainUrl);
  try {
    return await work(chain);
  } finally {
    await chain.close();
  }
}

function accepted(what: string, outcome: Outcome): void {
  if (!outcome.ok) throw new CeliumError('CHAIN_REFUSED', `The devchain refused to ${what}: ${outcome.error}.`);
}
