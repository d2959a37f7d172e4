/** Tells addresses that only mean something inside one network; such machines are listed only with --allow-private. */
import { BlockList, isIP } from 'node:net';

const blocks = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  blocks.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 128],
  ['::1', 128],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  blocks.addSubnet(network, bits, 'ipv6');
}

/** True for loopback, private, link-local and reserved addresses, and for names such as `localhost` and `x.local`. */
export function isPrivateHost(host: string): boolean {
  const bare = host.replaceAll(/^\[|\]$/g, '').toLowerCase();
  const family = isIP(bare);
  if (family === 0) return /(^|\.)(localhost|local|internal|lan|home\.arpa)$/.test(bare) || !bare.includes('.');
  return blocks.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/** True for the addresses of the host itself. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replaceAll(/^\[|\]$/g, '').toLowerCase();
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'));
}
