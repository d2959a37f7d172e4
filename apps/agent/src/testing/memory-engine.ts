/** A container engine in memory, for tests of the reconciler and for simulations: it does what the port says, and can be away or refuse. */
import {
  EngineAway,
  type NetworkSighting,
  type PodDeath,
  type PodEnding,
  type PodEngine,
  type PodSighting,
} from '../pods/pod-engine.ts';
import { LABELS, type PodContainer } from '../pods/plain-profile.ts';

interface MemoryPod extends PodSighting {
  container: PodContainer;
  ending: PodEnding;
}

export class MemoryEngine implements PodEngine {
  readonly pods = new Map<string, MemoryPod>();
  readonly networks = new Set<string>();
  readonly volumes = new Map<string, string>();
  readonly images = new Map([['celium/base:here', 'sha256:base']]);
  /** While true every call throws `EngineAway`. */
  away = false;
  /** Thrown by the next starts, first one first. */
  readonly startFaults: Error[] = [];
  /** The most containers of one lease that ever were there at once. */
  mostPodsOfALease = 0;
  readonly #nowMs: () => number;
  #made = 0;
  #onDeath: (death: PodDeath) => void = () => undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A pod's first process ends by itself; nobody is told when `silent`. */
  die(id: string, exitCode: number, silent = false): void {
    const pod = this.#pod(id);
    pod.state = 'exited';
    pod.ending = { ...pod.ending, running: false, finishedAtMs: this.#nowMs(), exitCode };
    if (!silent) this.#onDeath({ id, leaseId: pod.leaseId, atMs: this.#nowMs(), exitCode });
  }

  async listPods(): Promise<PodSighting[]> {
    this.#answer();
    return [...this.pods.values()].map(({ id, leaseId, fence, state, network }) => ({
      id,
      leaseId,
      fence,
      state,
      network,
    }));
  }

  async findPod(leaseId: string): Promise<PodSighting | null> {
    return (await this.listPods()).find((pod) => pod.leaseId === leaseId) ?? null;
  }

  async inspectPod(id: string): Promise<PodEnding | null> {
    this.#answer();
    return this.pods.get(id)?.ending ?? null;
  }

  async createPod(container: PodContainer): Promise<string> {
    this.#answer();
    const labels = container.body.Labels as Record<string, string>;
    const host = container.body.HostConfig as { NetworkMode: string };
    const leaseId = labels[LABELS.lease] ?? '';
    const left = [...this.pods.values()].find((pod) => pod.container.name === container.name);
    if (left !== undefined) return left.id;
    this.#made += 1;
    const id = `pod-${this.#made}`;
    this.pods.set(id, {
      id,
      leaseId,
      fence: Number(labels[LABELS.fence]),
      state: 'created',
      network: host.NetworkMode,
      container,
      ending: { startedAtMs: null, finishedAtMs: null, exitCode: null, running: false },
    });
    const ofLease = [...this.pods.values()].filter((pod) => pod.leaseId === leaseId).length;
    this.mostPodsOfALease = Math.max(this.mostPodsOfALease, ofLease);
    return id;
  }

  async putFiles(): Promise<void> {
    this.#answer();
  }

  async startPod(id: string): Promise<void> {
    this.#answer();
    const fault = this.startFaults.shift();
    if (fault !== undefined) throw fault;
    const pod = this.#pod(id);
    pod.state = 'running';
    pod.ending = { startedAtMs: this.#nowMs(), finishedAtMs: null, exitCode: null, running: true };
  }

  async stopPod(id: string): Promise<void> {
    this.#answer();
    if (this.pods.get(id)?.state === 'running') this.die(id, 0);
  }

  async removePod(id: string): Promise<void> {
    this.#answer();
    this.pods.delete(id);
  }

  async readLogs(id: string): Promise<string> {
    this.#answer();
    return `output of ${id}`;
  }

  async findImage(reference: string): Promise<string | null> {
    this.#answer();
    return this.images.get(reference) ?? null;
  }

  async pullImage(reference: string): Promise<void> {
    this.#answer();
    this.images.set(reference, `sha256:${reference}`);
  }

  async listNetworks(): Promise<NetworkSighting[]> {
    this.#answer();
    const used = new Set([...this.pods.values()].map((pod) => pod.network));
    return [...this.networks].map((name) => ({ name, used: used.has(name) }));
  }

  async createNetwork(name: string): Promise<void> {
    this.#answer();
    this.networks.add(name);
  }

  async removeNetwork(name: string): Promise<void> {
    this.#answer();
    this.networks.delete(name);
  }

  async listVolumes(): Promise<Array<{ name: string; leaseId: string }>> {
    this.#answer();
    return [...this.volumes].map(([name, leaseId]) => ({ name, leaseId }));
  }

  async createVolume(name: string, leaseId: string): Promise<void> {
    this.#answer();
    this.volumes.set(name, leaseId);
  }

  async removeVolume(name: string): Promise<void> {
    this.#answer();
    this.volumes.delete(name);
  }

  async watchDeaths(onOpen: () => void, onDeath: (death: PodDeath) => void, signal: AbortSignal): Promise<void> {
    this.#answer();
    this.#onDeath = onDeath;
    onOpen();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }

  #pod(id: string): MemoryPod {
    const pod = this.pods.get(id);
    if (pod === undefined) throw new Error(`there is no ${id}`);
    return pod;
  }

  #answer(): void {
    if (this.away) throw new EngineAway('the engine in memory is away');
  }
}
