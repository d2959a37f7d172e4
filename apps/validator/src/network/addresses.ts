/** Looks host names up: whoever signs a manifest must not make a validator talk to the networks behind it. */

import { isIP } from 'node:net';
import { lookup } from 'node:dns/promises';
import { CeliumError } from '@celium/contract';
import { isPrivateAddress } from '@celium/domain';

/**
 * The one address that a host name stands for, to be connected to as it is: a second look-up could answer otherwise.
 * Throws `FORBIDDEN` for a private address unless `allowPrivate`, `AGENT_UNAVAILABLE` when the name has none.
 */
export async function resolveAddress(host: string, allowPrivate: boolean): Promise<string> {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  let addresses: string[];
  if (isIP(bare) !== 0) addresses = [bare];
  else {
    try {
      addresses = (await lookup(bare, { all: true, order: 'ipv4first' })).map((entry) => entry.address);
    } catch (cause) {
      throw new CeliumError('AGENT_UNAVAILABLE', `The host name ${bare.slice(0, 253)} has no address.`, { cause });
    }
  }
  const allowed = allowPrivate ? addresses : addresses.filter((address) => !isPrivateAddress(address));
  const [chosen] = allowed;
  if (chosen === undefined)
    throw new CeliumError(
      'FORBIDDEN',
      `${bare.slice(0, 253)} is a private address; a validator goes there only with --allow-private.`,
    );
  return chosen;
}
