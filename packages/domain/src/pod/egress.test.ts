/** What a pod may reach: the internet, and names; not its host, not other pods, no private network, no mail. */
import { expect, test } from 'vitest';
import { podMayReach, type PodPacket } from './egress.ts';

const RESOLVER = '10.0.0.2';
const packet = (address: string, port: number, more: Partial<PodPacket> = {}): PodPacket => ({
  protocol: 'tcp',
  address,
  port,
  toHost: false,
  ...more,
});

test.each([
  ['a web server', packet('151.101.2.132', 443), true],
  ['an echo on the internet', packet('9.9.9.9', 0, { protocol: 'icmp' }), true],
  ['the resolver, for names', packet(RESOLVER, 53, { protocol: 'udp' }), true],
  ['the resolver on the host itself, for names', packet(RESOLVER, 53, { toHost: true }), true],
  ['the resolver, for its other services', packet(RESOLVER, 22), false],
  ['another private name server', packet('10.0.0.3', 53, { protocol: 'udp' }), false],
  ['the metadata service of a cloud', packet('169.254.169.254', 80), false],
  ['another pod', packet('172.20.0.66', 8080), false],
  ['the provider’s network', packet('192.168.1.1', 443), false],
  ['the host by its public address', packet('151.101.2.132', 22, { toHost: true }), false],
  ['mail', packet('151.101.2.132', 25), false],
  ['mail of users', packet('151.101.2.132', 587), false],
  ['many at once', packet('224.0.0.251', 5353, { protocol: 'udp' }), false],
  ['anything over IPv6', packet('2606:4700::1', 443), false],
])('%s: %o is allowed: %s', (_what, sent, allowed) => {
  expect(podMayReach(sent, [RESOLVER])).toBe(allowed);
});
