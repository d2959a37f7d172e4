/** Finds machines: manifests from the axons of the metagraph and from markets, which also know hotkeys without a UID. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { AGENT_API, CeliumError, ROUTES } from '@celium/contract';
import { z } from 'zod';
import type { JsonAnswer, NetworkPort, Report, ValidatorClock } from '../ports.ts';
import type { ManifestDirectory } from './manifest-directory.ts';

/** A neuron as far as discovery needs it. */
export interface AxonNeuron {
  hotkey: string;
  axon?: { ip: string; port: number } | undefined;
}

/** What discovery works with. */
export interface DiscoveryPorts {
  clock: ValidatorClock;
  network: NetworkPort;
  directory: ManifestDirectory;
  neurons: () => Promise<AxonNeuron[]>;
  netuid: number;
  /** Addresses of markets to read, without a slash at the end. */
  markets: readonly string[];
  report: Report;
}

const FETCH_TIMEOUT_MS = 10_000;
/** A manifest has at most 1 MB; its envelope a little more. */
const MAX_MANIFEST_BYTES = 1_064_960;
const MAX_MARKET_BYTES = 32 * 1024 * 1024;
/** A manifest that was had is asked for again after this time; one that was not, after the shorter one. */
const AXON_REFRESH_MS = 60_000;
const AXON_RETRY_MS = 15_000;
/** An axon whose answers are refused again and again is asked ever less often, down to this: each may be a megabyte to read. */
const AXON_LONGEST_RETRY_MS = 600_000;
const AXONS_AT_ONCE = 16;
const REPORT_AGAIN_MS = 600_000;

const marketMachines = z.looseObject({ manifests: z.array(z.unknown()).max(100_000) });

/** One discovery after another; remembers when each axon was last asked. */
export class Discovery {
  readonly #ports: DiscoveryPorts;
  readonly #nextAtMs = new Map<string, number>();
  /** Refused answers in a row, by hotkey. */
  readonly #refusals = new Map<string, number>();
  readonly #reportedAtMs = new Map<string, number>();

  constructor(ports: DiscoveryPorts) {
    this.#ports = ports;
  }

  /** Reads every market and every axon that is due. Nothing here throws: what cannot be had is reported once and tried again later. */
  async run(): Promise<void> {
    await Promise.all([this.#readAxons(), ...this.#ports.markets.map((market) => this.#readMarket(market))]);
    await this.#ports.directory.admit(() => nextTurn());
  }

  async #readMarket(market: string): Promise<void> {
    const { path } = ROUTES.listMachines;
    const answer = await this.#fetch(`market ${market}`, `${market}${path}`, MAX_MARKET_BYTES);
    if (answer === null) return;
    const parsed = marketMachines.safeParse(answer.json);
    if (answer.status !== 200 || !parsed.success)
      return this.#fault(`market ${market}`, 'MARKET_UNAVAILABLE', `it answered HTTP ${answer.status} and no machines`);
    for (const manifest of parsed.data.manifests) this.#take(`market ${market}`, manifest);
  }

  async #readAxons(): Promise<void> {
    const { clock, neurons } = this.#ports;
    let list: AxonNeuron[];
    try {
      list = await neurons();
    } catch (fault) {
      return this.#fault('chain', 'CHAIN_UNAVAILABLE', wordsOf(fault));
    }
    const due = list.filter(
      (neuron) =>
        neuron.axon !== undefined && neuron.axon.port > 0 && (this.#nextAtMs.get(neuron.hotkey) ?? 0) <= clock.nowMs(),
    );
    for (let from = 0; from < due.length; from += AXONS_AT_ONCE) {
      await Promise.all(due.slice(from, from + AXONS_AT_ONCE).map((neuron) => this.#readAxon(neuron)));
    }
  }

  async #readAxon(neuron: AxonNeuron): Promise<void> {
    const { ip = '', port = 0 } = neuron.axon ?? {};
    const host = ip.includes(':') ? `[${ip}]` : ip;
    const name = `axon of ${neuron.hotkey}`;
    this.#nextAtMs.set(neuron.hotkey, this.#ports.clock.nowMs() + AXON_RETRY_MS);
    const answer = await this.#fetch(name, `https://${host}:${port}${AGENT_API.manifest}`, MAX_MANIFEST_BYTES);
    if (answer === null) return;
    // An agent answers with the signed manifest itself, or with it under `manifest`.
    const body = answer.json as { manifest?: unknown } | null;
    const taken = answer.status === 200 && this.#take(name, body?.manifest ?? body, neuron.hotkey);
    if (answer.status !== 200) this.#fault(name, 'AGENT_UNAVAILABLE', `it answered HTTP ${answer.status}`);
    const refusals = taken ? 0 : (this.#refusals.get(neuron.hotkey) ?? 0) + 1;
    if (taken) this.#refusals.delete(neuron.hotkey);
    else this.#refusals.set(neuron.hotkey, refusals);
    const waitMs = taken
      ? AXON_REFRESH_MS
      : Math.min(AXON_RETRY_MS * 2 ** Math.min(refusals - 1, 10), AXON_LONGEST_RETRY_MS);
    this.#nextAtMs.set(neuron.hotkey, this.#ports.clock.nowMs() + waitMs);
  }

  async #fetch(source: string, url: string, maxBytes: number): Promise<JsonAnswer | null> {
    try {
      return await this.#ports.network.request({ method: 'GET', url, timeoutMs: FETCH_TIMEOUT_MS, maxBytes });
    } catch (fault) {
      this.#fault(source, fault instanceof CeliumError ? fault.code : 'AGENT_UNAVAILABLE', wordsOf(fault));
      return null;
    }
  }

  #take(source: string, manifest: unknown, hotkey?: string): boolean {
    const { directory, netuid, clock, report } = this.#ports;
    const verdict = directory.take(manifest, hotkey === undefined ? { netuid } : { netuid, hotkey }, clock.unixMs());
    if (!verdict.ok) {
      this.#fault(source, verdict.code, verdict.message);
      return false;
    }
    if (verdict.news)
      report({ event: 'step', name: 'manifest', status: 'done', detail: `new manifest from ${source}` });
    return true;
  }

  /** The same fault of the same source is reported once in ten minutes. */
  #fault(source: string, code: string, message: string): void {
    const detail = `${source}: ${code}: ${message}`.slice(0, 500);
    const nowMs = this.#ports.clock.nowMs();
    if (nowMs < (this.#reportedAtMs.get(detail) ?? -Infinity) + REPORT_AGAIN_MS) return;
    if (this.#reportedAtMs.size > 10_000) this.#reportedAtMs.clear();
    this.#reportedAtMs.set(detail, nowMs);
    this.#ports.report({ event: 'step', name: 'discover', status: 'failed', detail });
  }
}

function wordsOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
