/** Which addresses are of the public internet: whoever signs a manifest must not make a validator talk to the networks behind it. */

import { BlockList, isIP } from 'node:net';
import { lookup } from 'node:dns/promises';
import { CeliumError } from '@celium/contract';

const PRIVATE = new BlockList();
for (const [address, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  PRIVATE.addSubnet(address, prefix, 'ipv4');
for (const [address, prefix] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  PRIVATE.addSubnet(address, prefix, 'ipv6');

/** True for an IP address that is not of the public internet (mapped and embedded IPv4 included). */
export function isPrivateAddress(address: string): boolean {
  const kind = isIP(address);
  if (kind === 0) return true;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return isPrivateAddress(mapped[1]);
  if (kind === 6 && /^::ffff:/i.test(address)) return true;
  return PRIVATE.check(address, kind === 4 ? 'ipv4' : 'ipv6');
}

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
