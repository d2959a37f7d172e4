/** What a pod may reach from inside: the public internet and the resolver for names; never its host, other pods, private networks, or mail. */
import { isPrivateAddress, ipVersionOf } from '../machine/address.ts';

/** Ports of mail: a rented pod that sends it gets its host's address onto block lists within hours. */
export const MAIL_PORTS = [25, 465, 587, 2525] as const;

/** The most connections that one pod opens at a time; scanners need more, users do not. */
export const MAX_POD_CONNECTIONS = 2_000;

const DNS_PORT = 53;

/** A packet that begins something new, as it leaves a pod. */
export interface PodPacket {
  protocol: 'tcp' | 'udp' | 'icmp';
  /** Destination as it is routed: after the translation of published ports. */
  address: string;
  /** 0 for `icmp`. */
  port: number;
  /** Whether the address is one of the host's own. */
  toHost: boolean;
}

/**
 * Whether a pod may send it. The packet filter of the agent is this rule written down for the kernel; a test holds one to the other.
 *
 * @param resolvers addresses of the host's name servers, which are often private
 */
export function podMayReach({ protocol, address, port, toHost }: PodPacket, resolvers: readonly string[]): boolean {
  if (ipVersionOf(address) !== 4) return false;
  if (port === DNS_PORT && protocol !== 'icmp' && resolvers.includes(address)) return true;
  if (toHost || isPrivateAddress(address)) return false;
  return protocol !== 'tcp' || !MAIL_PORTS.some((mail) => mail === port);
}
