/** The packet filter is the rule of domain: a small reading of its text decides every packet as `podMayReach` does. */
import { podMayReach, type PodPacket } from '@celium/domain';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forwardRules, inputRules, resolversOf, restoreText } from './filter-rules.ts';

const RESOLVERS = ['10.0.0.2', '9.9.9.9'];

const numberOf = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

function isIn(address: string, network: string): boolean {
  const [base = '', bits = '32'] = network.split('/');
  const size = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(address) / size) === Math.floor(numberOf(base) / size);
}

/** Whether a rule is about a packet that begins something new. */
function matches(rule: readonly string[], packet: PodPacket): boolean {
  const of = (flag: string): string | undefined => rule[rule.indexOf(flag) + 1];
  if (rule.includes('--ctstate') || rule.includes('CEL-COUNT')) return false;
  if (rule.includes('-p') && of('-p') !== packet.protocol) return false;
  if (rule.includes('-d') && !isIn(packet.address, of('-d') ?? '')) return false;
  if (rule.includes('--dport') && Number(of('--dport')) !== packet.port) return false;
  return !rule.includes('--dports') || (of('--dports') ?? '').split(',').map(Number).includes(packet.port);
}

/** What the filter makes of a packet. */
function passes(packet: PodPacket): boolean {
  const rules = packet.toHost ? inputRules(RESOLVERS) : forwardRules(RESOLVERS);
  const first = rules.find((rule) => matches(rule, packet));
  return first === undefined || first[first.indexOf('-j') + 1] === 'RETURN';
}

test('every packet fares in the filter as the rule says', () => {
  const edges = ['10.0.0.2', '9.9.9.9', '172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0', '100.127.0.1'];
  const address = fc.oneof(fc.ipV4(), fc.constantFrom(...edges));
  const packets = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'icmp' as const),
    address,
    port: fc.oneof(fc.constantFrom(25, 53, 80, 443, 465, 587, 2525), fc.integer({ min: 1, max: 65_535 })),
    toHost: fc.boolean(),
  });
  const check = (packet: PodPacket): void => {
    const sent = packet.protocol === 'icmp' ? { ...packet, port: 0 } : packet;
    expect(passes(sent)).toBe(podMayReach(sent, RESOLVERS));
  };
  fc.assert(fc.property(packets, check), { numRuns: 5_000 });
});

test('the text replaces our chains, and names no others', () => {
  const text = restoreText({ 'CEL-IN': inputRules(['10.0.0.2']) });
  expect(text.split('\n')).toEqual([
    '*filter',
    ':CEL-IN - [0:0]',
    '-A CEL-IN -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN',
    '-A CEL-IN -p udp -d 10.0.0.2 --dport 53 -j RETURN',
    '-A CEL-IN -p tcp -d 10.0.0.2 --dport 53 -j RETURN',
    '-A CEL-IN -j REJECT',
    'COMMIT',
    '',
  ]);
});

test('resolvers are IPv4 addresses beyond loopback, and nothing else that a file may say', () => {
  const text =
    'nameserver 127.0.0.53\nnameserver 10.0.0.2 # home\n nameserver\t9.9.9.9\nnameserver fe80::1\nsearch lan\n';
  expect(resolversOf(text)).toEqual(['10.0.0.2', '9.9.9.9']);
  expect(resolversOf('nameserver 10.0.0.2;reboot\nnameserver -j\nnameserver 10.0.0.2/0\n')).toEqual([]);
  expect(resolversOf('')).toEqual([]);
});
