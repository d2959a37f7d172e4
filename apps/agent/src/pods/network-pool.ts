/** Bridges for pods, made ahead: making one takes as long as creating and half starting a pod. Each pod has one of its own. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { explain, type Log } from '../log.ts';
import type { PodEngine } from './pod-engine.ts';

/** One wildcard of the firewall covers all bridges with this prefix. */
export const BRIDGE_PREFIX = 'cel-';
const MAX_SPARE = 4;

/** A network taken this long ago and attached to nothing lost its pod, or never got one. */
const TAKEN_FOR_LONG_MS = 60_000;

/** Networks that nobody uses wait in `#free`; one in use is known to the engine by the container attached to it. */
export class NetworkPool {
  readonly #engine: PodEngine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #spare: number;
  #free: string[] = [];
  /** In use or about to be: when it was taken, on the monotonic clock. */
  readonly #taken = new Map<string, number>();
  readonly #making = new Set<string>();
  #refilling: Promise<void> | null = null;

  /** `spare` is how many wait ahead, at most 4. */
  constructor(engine: PodEngine, spare: number, clock: Clock, log: Log) {
    this.#engine = engine;
    this.#spare = Math.min(spare, MAX_SPARE);
    this.#clock = clock;
    this.#log = log;
  }

  /** Compares with the engine: what an earlier run left is free again, what vanished is forgotten, what lost its pod is reclaimed. */
  async adopt(): Promise<void> {
    const before = new Set(this.#free);
    const listed = await this.#engine.listNetworks();
    const names = new Set(listed.map((network) => network.name));
    this.#free = this.#free.filter((name) => names.has(name) || !before.has(name));
    const nowMs = this.#clock.monotonicMs();
    for (const { name, used } of listed) {
      if (this.#making.has(name) || this.#free.includes(name)) continue;
      const takenMs = this.#taken.get(name);
      if (used) this.#taken.set(name, takenMs ?? nowMs);
      else if (takenMs === undefined || nowMs - takenMs > TAKEN_FOR_LONG_MS) this.give(name);
    }
    this.refill();
  }

  /** A network for one pod. */
  async take(): Promise<string> {
    const waiting = this.#free.shift();
    if (waiting !== undefined) {
      this.#taken.set(waiting, this.#clock.monotonicMs());
      return waiting;
    }
    return await this.#make((name) => this.#taken.set(name, this.#clock.monotonicMs()));
  }

  /** Its pod is gone. */
  give(name: string | null): void {
    if (name === null || !name.startsWith(BRIDGE_PREFIX) || this.#free.includes(name)) return;
    this.#taken.delete(name);
    this.#free.push(name);
    this.refill();
  }

  /** Makes or removes networks until the right number waits; runs beside everything else. */
  refill(): void {
    this.#refilling ??= this.#settle().finally(() => (this.#refilling = null));
  }

  /** Removes all that wait: a stopped agent leaves nothing that no pod needs. */
  async clear(): Promise<void> {
    await this.#refilling;
    await Promise.all(this.#free.splice(0).map((name) => this.#remove(name)));
  }

  async #settle(): Promise<void> {
    try {
      while (this.#free.length < this.#spare) await this.#make((name) => this.#free.push(name));
      while (this.#free.length > this.#spare) await this.#remove(this.#free.pop() ?? '');
    } catch (fault) {
      this.#log.warn({ fault: explain(fault) }, 'no network could be made ahead');
    }
  }

  async #make(place: (name: string) => void): Promise<string> {
    const name = `${BRIDGE_PREFIX}${randomBytes(4).toString('hex')}`;
    this.#making.add(name);
    try {
      await this.#engine.createNetwork(name);
      place(name);
      return name;
    } finally {
      this.#making.delete(name);
    }
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#engine.removeNetwork(name);
    } catch (fault) {
      this.#log.warn({ fault: explain(fault), name }, 'a network could not be removed');
    }
  }
}
