/** What the coldkey of a wallet does on the chain for its hotkey: registration, axon, stake. */

import { connectChain, readColdkey, type Outcome } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import type { KnownHotkey } from '../wallet/hotkey.ts';

/** The number by which axons of this protocol are told apart. */
const AXON_PROTOCOL = 4;

/** Registers and serves. Throws `CHAIN_REFUSED` with the pallet's error, `BAD_WALLET` when the coldkey cannot be opened. */
export async function registerHotkey(options: {
  chainUrl: string;
  hotkey: KnownHotkey;
  maxCostRao: bigint;
  /** Where the machine's agent is reached; a validator's program serves its own. */
  axon?: { ip: string; port: number };
  password: () => Promise<string>;
}): Promise<void> {
  const { hotkey, maxCostRao, axon } = options;
  const coldkey = await readColdkey(hotkey.paths, { password: options.password });
  const chain = connectChain(options.chainUrl);
  try {
    accepted('register the hotkey', await chain.register(coldkey, hotkey.ss58, maxCostRao), coldkey.ss58);
    if (axon === undefined) return;
    accepted('serve the axon', await chain.serveAxon(hotkey.key, { ...axon, protocol: AXON_PROTOCOL }), coldkey.ss58);
  } finally {
    await chain.close();
  }
}

/** Stakes `amountRao` of the wallet's coldkey to the hotkey. */
export async function stakeToHotkey(options: {
  chainUrl: string;
  hotkey: KnownHotkey;
  amountRao: bigint;
  password: () => Promise<string>;
}): Promise<void> {
  const coldkey = await readColdkey(options.hotkey.paths, { password: options.password });
  const chain = connectChain(options.chainUrl);
  try {
    accepted('stake', await chain.addStake(coldkey, options.hotkey.ss58, options.amountRao), coldkey.ss58);
  } finally {
    await chain.close();
  }
}

/** What the chain says when an account cannot pay. */
const POOR: readonly string[] = ['Payment', 'NotEnoughBalanceToStake'];

function accepted(what: string, outcome: Outcome, coldkey: string): void {
  if (outcome.ok) return;
  const remedy = POOR.includes(outcome.error)
    ? `The coldkey ${coldkey} has too little TAO: send it some (on a devchain: celium dev faucet ${coldkey}).`
    : 'Read the pallet’s error name; `celium provider join` without --register sells all the same.';
  throw new CeliumError('CHAIN_REFUSED', `The chain refused to ${what}: ${outcome.error}.`, { details: { remedy } });
}
