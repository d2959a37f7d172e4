/** The packet filter around pods as text for `iptables-restore`: the rule of `podMayReach`, in two chains of our own. */
import { MAIL_PORTS, MAX_POD_CONNECTIONS, ipVersionOf, isLoopbackHost, privateIpv4Networks } from '@celium/domain';

/** One rule covers all bridges of all pods. */
export const POD_BRIDGES = 'cel-+';

/** Our chains: what pods send onward, what they send to the host itself, and the count of their connections. */
export const CHAINS = { forward: 'CEL-FWD', input: 'CEL-IN', count: 'CEL-COUNT' } as const;

const ESTABLISHED = ['-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'RETURN'];

/** One rule behind `-A CHAIN`. */
type Rule = readonly string[];

/** Rules for what goes through the host: answers pass, names are looked up, mail and private networks are refused, all else returns to the engine's own rules. */
export function forwardRules(resolvers: readonly string[]): Rule[] {
  return [
    ['-j', CHAINS.count],
    ESTABLISHED,
    ...dnsRules(resolvers),
    ['-p', 'tcp', '-m', 'multiport', '--dports', MAIL_PORTS.join(','), '-j', 'REJECT', '--reject-with', 'tcp-reset'],
    ...privateIpv4Networks().map((network) => ['-d', network, '-j', 'REJECT']),
  ];
}

/** Rules for what goes to the host itself: answers pass, and its resolver where that is the host. */
export function inputRules(resolvers: readonly string[]): Rule[] {
  return [ESTABLISHED, ...dnsRules(resolvers), ['-j', 'REJECT']];
}

/** IPv6, where nothing of a pod's passes: pods get no address of it, and a link-local one must not lead to the host. */
export const IPV6_RULES: readonly Rule[] = [['-j', 'REJECT']];

/** What replaces our chains in one step, each filled anew; chains of others are not touched. */
export function restoreText(chains: Readonly<Record<string, readonly Rule[]>>): string {
  const names = Object.keys(chains);
  const lines = names.flatMap((name) => (chains[name] ?? []).map((rule) => `-A ${name} ${rule.join(' ')}`));
  return ['*filter', ...names.map((name) => `:${name} - [0:0]`), ...lines, 'COMMIT', ''].join('\n');
}

/** How many connections one pod may open at a time. A kernel without the module for it refuses this chain alone. */
export const COUNT_RULES: readonly Rule[] = [
  ['-p', 'tcp', '--syn', '-m', 'connlimit', '--connlimit-above', `${MAX_POD_CONNECTIONS}`, '-j', 'REJECT'],
];

/** Name servers that pods use through the host, from the text of resolv.conf: IPv4, and none that means the host's own loopback. */
export function resolversOf(resolvConf: string): string[] {
  const named = resolvConf.split('\n').flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(named)].filter((address) => ipVersionOf(address) === 4 && !isLoopbackHost(address)).slice(0, 8);
}

function dnsRules(resolvers: readonly string[]): Rule[] {
  return resolvers.flatMap((address) =>
    ['udp', 'tcp'].map((protocol) => ['-p', protocol, '-d', address, '--dport', '53', '-j', 'RETURN']),
  );
}
