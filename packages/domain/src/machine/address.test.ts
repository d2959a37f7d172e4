/** One rule tells public addresses from private ones, and it agrees with the platform's own parser. */

import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipVersionOf, isLoopbackHost, isPrivateAddress, isPrivateHost } from './address.ts';

const PRIVATE = [
  '127.0.0.1',
  '10.1.2.3',
  '192.168.1.1',
  '172.16.0.1',
  '100.64.0.1',
  '169.254.169.254',
  '0.0.0.0',
  '192.0.0.8',
  '203.0.113.7',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::FFFF:10.0.0.1',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:0:1::1',
  'fd00::1',
  'fe80::1',
  'ff02::1',
];
const PUBLIC = ['8.8.8.8', '172.32.0.1', '172.15.255.255', '100.128.0.1', '2606:4700::1', '::ffff:8.8.8.8', '2a00::'];

test.each(PRIVATE)('%s is private', (address) => {
  expect(isPrivateAddress(address)).toBe(true);
  expect(isPrivateHost(`[${address}]`)).toBe(true);
});

test.each(PUBLIC)('%s is public', (address) => {
  expect(isPrivateAddress(address)).toBe(false);
  expect(isPrivateHost(address)).toBe(false);
});

test.each([
  'localhost',
  'LOCALHOST.',
  'box',
  'box.local',
  'x.internal',
  'nas.lan',
  'a.home.arpa',
  '127.1',
  '2130706433',
  '0177.0.0.1',
  '',
])('the name %j is private', (host) => expect(isPrivateHost(host)).toBe(true));

test('an ordinary name is not private by itself: it is checked again when it is looked up', () => {
  expect(isPrivateHost('gpu.example.com')).toBe(false);
  expect(isPrivateAddress('gpu.example.com')).toBe(true);
});

test('only the host’s own addresses are loopback', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost'].every(isLoopbackHost)).toBe(true);
  expect(['10.0.0.1', '8.8.8.8', 'box', '127.example.com'].some(isLoopbackHost)).toBe(false);
});

describe('beside the platform', () => {
  const blocks = new BlockList();
  for (const [network, bits] of [
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
    blocks.addSubnet(network, bits, 'ipv4');
  for (const [network, bits] of [
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
    blocks.addSubnet(network, bits, 'ipv6');

  test('every IPv4 address is judged alike', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => isPrivateAddress(address) === blocks.check(address, 'ipv4')),
      { numRuns: 5_000 },
    );
  });

  test('every IPv6 address is judged alike, unless it carries an IPv4 one', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        fc.pre(!/^(0{0,4}:)*:?ffff:/i.test(address));
        return isPrivateAddress(address) === blocks.check(address, 'ipv6');
      }),
      { numRuns: 5_000 },
    );
  });

  test('what is an address here is one there', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4Extended(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%x') }),
    );
    fc.assert(
      fc.property(text, (address) => {
        fc.pre(!address.includes('%'));
        expect(ipVersionOf(address)).toBe(isIP(address));
      }),
      { numRuns: 5_000 },
    );
  });
});
