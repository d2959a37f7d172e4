/** Puts the packet filter around pods into the kernel and keeps it there: at the start, when the engine comes back, and each minute. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { CeliumError } from '@celium/contract';
import type { Log } from '../log.ts';
import { findProgram, runCommand } from '../engine/command.ts';
import {
  CHAINS,
  COUNT_RULES,
  forwardRules,
  inputRules,
  IPV6_RULES,
  POD_BRIDGES,
  resolversOf,
  restoreText,
} from './filter-rules.ts';

/** Where a filter is put, and what it reads. */
export interface PodFilterPorts {
  log: Log;
  /** Another network namespace than ours, as a path; engines of tests live in one. */
  namespacePath?: string;
  /** The files that name the resolvers; the first that names one counts. */
  resolvConfs?: readonly string[];
}

const TIMEOUT_MS = 15_000;
/** How long iptables waits for another program that changes the filter, in seconds. */
const LOCK_WAIT_S = '5';
const RESOLV_CONFS = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** Chains that our jumps stand in: the engine leaves DOCKER-USER to others and asks it before its own rules. */
const JUMPS_V4 = [
  { from: 'DOCKER-USER', to: CHAINS.forward },
  { from: 'INPUT', to: CHAINS.input },
] as const;
const JUMPS_V6 = [
  { from: 'FORWARD', to: CHAINS.forward },
  { from: 'INPUT', to: CHAINS.input },
] as const;

/** The packet filter around the pods of one engine. */
export class PodFilter {
  readonly #ports: PodFilterPorts;
  #counts = true;

  constructor(ports: PodFilterPorts) {
    this.#ports = ports;
  }

  /**
   * Makes the kernel's filter what it has to be, whatever it was; safe to repeat and beside other agents on the same host.
   *
   * @throws CeliumError `POD_FILTER_UNAVAILABLE` when pods cannot be kept from the host's networks here.
   */
  async assert(): Promise<void> {
    await this.#limitConnections();
    const resolvers = await this.#resolvers();
    await this.#restore('iptables', {
      [CHAINS.forward]: forwardRules(resolvers),
      [CHAINS.input]: inputRules(resolvers),
    });
    for (const { from, to } of JUMPS_V4) await this.#jumpFirst('iptables', from, to);
    if (existsSync('/proc/net/if_inet6')) {
      await this.#restore('ip6tables', { [CHAINS.forward]: IPV6_RULES, [CHAINS.input]: IPV6_RULES });
      for (const { from, to } of JUMPS_V6) await this.#jumpFirst('ip6tables', from, to);
    }
  }

  /** Scanners are slowed where the kernel can count connections; where it cannot, the rest of the filter stands. */
  async #limitConnections(): Promise<void> {
    try {
      if (this.#counts) return await this.#restore('iptables', { [CHAINS.count]: COUNT_RULES });
    } catch (fault) {
      this.#counts = false;
      this.#ports.log.warn({ err: fault }, 'the kernel cannot count connections: pods may open as many as they like');
    }
    await this.#restore('iptables', { [CHAINS.count]: [] });
  }

  async #resolvers(): Promise<string[]> {
    for (const path of this.#ports.resolvConfs ?? RESOLV_CONFS) {
      const resolvers = resolversOf(await readFile(path, 'utf8').catch(() => ''));
      if (resolvers.length > 0) return resolvers;
    }
    return [];
  }

  async #restore(program: 'iptables' | 'ip6tables', chains: Parameters<typeof restoreText>[0]): Promise<void> {
    await this.#run([`${program}-restore`, '--noflush', '-w', LOCK_WAIT_S], restoreText(chains));
  }

  /** Our jump stands first in a chain: a rule before it might let pass what it refuses. */
  async #jumpFirst(program: 'iptables' | 'ip6tables', from: string, to: string): Promise<void> {
    const wanted = `-A ${from} -i ${POD_BRIDGES} -j ${to}`;
    const rules = (await this.#run([program, '-w', LOCK_WAIT_S, '-S', from]))
      .split('\n')
      .filter((line) => line.startsWith('-A '));
    if (rules[0] === wanted && !rules.includes(wanted, 1)) return;
    const rule = ['-i', POD_BRIDGES, '-j', to];
    await this.#run([program, '-w', LOCK_WAIT_S, '-I', from, '1', ...rule]);
    // Deleted from the end, so that the numbers before stay true; the new one is number 1.
    for (const [at, line] of [...rules.entries()].toReversed()) {
      if (line === wanted) await this.#run([program, '-w', LOCK_WAIT_S, '-D', from, String(at + 2)]);
    }
  }

  async #run([name = '', ...args]: readonly string[], input?: string): Promise<string> {
    const program = findProgram(name);
    if (program === undefined) throw unavailable(`there is no ${name} on this host`);
    const argv = [program, ...args];
    const { namespacePath } = this.#ports;
    const within =
      namespacePath === undefined ? argv : [findProgram('nsenter') ?? 'nsenter', `--net=${namespacePath}`, ...argv];
    const result = await runCommand(within, { timeoutMs: TIMEOUT_MS, ...(input === undefined ? {} : { input }) });
    if (result.status === 0) return result.output;
    throw unavailable(
      `${[name, ...args].join(' ')}: ${result.output.trim().slice(0, 300) || 'it did not end in time'}`,
    );
  }
}

function unavailable(message: string): CeliumError {
  return new CeliumError('POD_FILTER_UNAVAILABLE', message);
}
