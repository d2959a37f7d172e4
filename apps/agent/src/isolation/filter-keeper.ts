/** Whether the packet filter stands, over the life of an agent: strict at the start, and put up again whenever something may have taken it down. */
import { existsSync } from 'node:fs';
import { CeliumError } from '@celium/contract';
import { wait, type Clock } from '../clock.ts';
import { explain, type Log } from '../log.ts';
import type { PodFilter } from './pod-filter.ts';

const RENEW_MS = 60_000;

export interface FilterKeeperPorts {
  filter: Pick<PodFilter, 'assert'>;
  /** Whether a bridge of the engine lies in our own network namespace, where the filter is. */
  isBridgeHere?: (bridge: string) => boolean;
  clock: Clock;
  log: Log;
}

/** The packet filter of a running agent, or the provider's word that there is none. */
export class FilterKeeper {
  readonly #ports: FilterKeeperPorts;
  readonly #wanted: boolean;
  #stands = false;

  /** `wanted` is false where the provider accepts that pods reach the networks of the host. */
  constructor(ports: FilterKeeperPorts, wanted: boolean) {
    this.#ports = ports;
    this.#wanted = wanted;
  }

  /** Whether pods are kept from the host's networks now, as far as we know. */
  get stands(): boolean {
    return this.#stands;
  }

  /**
   * Puts the filter up, before any pod runs.
   *
   * @param bridge one of the engine's bridges for pods
   * @throws CeliumError `POD_FILTER_UNAVAILABLE`
   */
  async start(bridge: string): Promise<void> {
    if (!this.#wanted) return this.#ports.log.warn({}, 'pods reach the networks of this host: --open-egress');
    if (!(this.#ports.isBridgeHere ?? isHere)(bridge))
      throw new CeliumError(
        'POD_FILTER_UNAVAILABLE',
        'the engine makes its bridges in another network namespace than ours',
      );
    await this.#ports.filter.assert();
    this.#stands = true;
  }

  /** Puts it up again. A failure is logged, shows in inventories, and ends no pod. */
  async renew(): Promise<void> {
    if (!this.#wanted) return;
    try {
      await this.#ports.filter.assert();
      this.#stands = true;
    } catch (fault) {
      if (this.#stands) this.#ports.log.error({ fault: explain(fault) }, 'the packet filter around pods is down');
      this.#stands = false;
    }
  }

  /** Renews it each minute until `signal` fires: whoever loads another firewall takes ours away without a word. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await wait(this.#ports.clock, RENEW_MS, signal).catch(() => undefined);
      if (!signal.aborted) await this.renew();
    }
  }
}

function isHere(bridge: string): boolean {
  return existsSync(`/sys/class/net/${bridge}`);
}
