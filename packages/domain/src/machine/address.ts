/**
 * Which addresses lie on the public internet: the one rule by which markets, validators and agents refuse private ones.
 *
 * Whoever signs a manifest chooses addresses that others connect to; a private one would point them at the networks behind themselves.
 * Anything that is not clearly public is private. Ranges: IANA's special-purpose registries (RFC 6890) for IPv4 and IPv6.
 */

/** Private IPv4 networks, as address and prefix length. */
const PRIVATE_IPV4 = [
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
] as const;

/** Private IPv6 networks; those that carry an IPv4 address inside (NAT64, 6to4, Teredo) are private as a whole. */
const PRIVATE_IPV6 = [
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
] as const;

/** The private IPv4 networks as `address/bits`, the way packet filters take them. */
export function privateIpv4Networks(): string[] {
  return PRIVATE_IPV4.map(([network, bits]) => `${network}/${bits}`);
}

const PRIVATE_NAME = /(^|\.)(localhost|local|internal|lan|home\.arpa)$/;

/** 4 or 6 for an IP address in its usual text form, 0 for anything else (a name, an octal or a shortened form, a zone id). */
export function ipVersionOf(text: string): 0 | 4 | 6 {
  if (groupsOfIpv4(text) !== null) return 4;
  return groupsOfIpv6(text) === null ? 0 : 6;
}

/** True for an address that is not on the public internet, mapped IPv4 included; true as well for what is no address. */
export function isPrivateAddress(address: string): boolean {
  const ipv4 = groupsOfIpv4(address);
  if (ipv4 !== null) return PRIVATE_IPV4.some(([network, bits]) => isWithin(ipv4, groupsOfIpv4(network), bits));
  const ipv6 = groupsOfIpv6(address);
  if (ipv6 === null) return true;
  const mapped = isWithin(ipv6, groupsOfIpv6('::ffff:0:0'), 96);
  if (mapped) return isPrivateAddress(textOfIpv4(ipv6[6] ?? 0, ipv6[7] ?? 0));
  return PRIVATE_IPV6.some(([network, bits]) => isWithin(ipv6, groupsOfIpv6(network), bits));
}

/** True for a host that is private as it is written: a private address, or a name that means something in one network only. */
export function isPrivateHost(host: string): boolean {
  const bare = bareHost(host);
  if (ipVersionOf(bare) !== 0) return isPrivateAddress(bare);
  return PRIVATE_NAME.test(bare) || !bare.includes('.') || /^[0-9.]*$/.test(bare);
}

/** True for the addresses of the host itself. */
export function isLoopbackHost(host: string): boolean {
  const bare = bareHost(host);
  return bare === 'localhost' || bare === '::1' || (ipVersionOf(bare) === 4 && bare.startsWith('127.'));
}

/** Without the brackets that URLs put around IPv6 addresses and without a closing dot, in lower case. */
function bareHost(host: string): string {
  return host
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** The two 16-bit groups of a dotted address, or null. */
function groupsOfIpv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255))
    return null;
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
  return [a * 256 + b, c * 256 + d];
}

/** The eight 16-bit groups of an IPv6 address, or null. */
function groupsOfIpv6(text: string): number[] | null {
  if (text.length > 45 || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const groups = halves.map(groupsOfPart);
  const [head, tail] = groups;
  if (head === undefined || head === null || tail === null) return null;
  if (tail === undefined) return head.length === 8 ? head : null;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? null : [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** The groups on one side of `::`; only the last may be a dotted IPv4 address. */
function groupsOfPart(part: string): number[] | null {
  if (part === '') return [];
  const words = part.split(':');
  const groups: number[] = [];
  for (const [index, word] of words.entries()) {
    const dotted = index === words.length - 1 ? groupsOfIpv4(word) : null;
    if (dotted !== null) groups.push(...dotted);
    else if (/^[0-9a-fA-F]{1,4}$/.test(word)) groups.push(Number.parseInt(word, 16));
    else return null;
  }
  return groups;
}

function textOfIpv4(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** Whether an address lies in a network: the first `bits` bits of both are equal. */
function isWithin(address: readonly number[], network: readonly number[] | null, bits: number): boolean {
  if (network === null) return false;
  return address.every((group, index) => {
    const wanted = Math.min(16, Math.max(0, bits - index * 16));
    const shift = 16 - wanted;
    return group >> shift === (network[index] ?? 0) >> shift;
  });
}
