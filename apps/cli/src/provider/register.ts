/** Registers a hotkey on the subnet with the coldkey of its wallet, and serves its axon. */

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
  axon: { ip: string; port: number };
  password: () => Promise<string>;
}): Promise<void> {
  const { hotkey, maxCostRao, axon } = options;
  const coldkey = await readColdkey(hotkey.paths, { password: options.password });
  const chain = connectChain(options.chainUrl);
  try {
    accepted('register the hotkey', await chain.register(coldkey, hotkey.ss58, maxCostRao));
    accepted('serve the axon', await chain.serveAxon(hotkey.key, { ...axon, protocol: AXON_PROTOCOL }));
  } finally {
    await chain.close();
  }
}

function accepted(what: string, outcome: Outcome): void {
  if (outcome.ok) return;
  const remedy =
    outcome.error === 'NotEnoughBalanceToStake'
      ? 'The coldkey has too little TAO for the registration; send it some, or join without --register.'
      : 'Read the pallet’s error; join without --register sells all the same.';
  throw new CeliumError('CHAIN_REFUSED', `The chain refused to ${what}: ${outcome.error}.`, { details: { remedy } });
}
