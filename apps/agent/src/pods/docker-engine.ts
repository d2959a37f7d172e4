/** The Docker Engine as a `PodEngine`: unversioned API calls with deadlines; streams through dockerode. */
import { writeFile } from 'node:fs/promises';
import Docker from 'dockerode';
import { callEngine, type EngineAnswer } from '../engine/engine-api.ts';
import { uplinkMtu } from '../engine/daemon.ts';
import { explain } from '../log.ts';
import { LABELS, podName, type PodContainer } from './plain-profile.ts';
import {
  EngineAway,
  EngineRefusal,
  PortTaken,
  type NetworkSighting,
  type PodDeath,
  type PodEnding,
  type PodEngine,
  type PodSighting,
  type PullProgress,
} from './pod-engine.ts';
import { followPull } from './pull.ts';
import { packTar, type PackedFile } from './tar.ts';

const QUICK_MS = 15_000;
const SLOW_MS = 120_000;
const ARP_RETRY_MS = 20;

interface ListedContainer {
  Id: string;
  State: string;
  Labels: Record<string, string>;
  HostConfig?: { NetworkMode?: string };
}

/** The engine behind `socket`, seen by the agent whose machine key (hex) labels everything that it makes. */
export class DockerEngine implements PodEngine {
  readonly #socket: string;
  readonly #machineKey: string;
  readonly #docker: Docker;

  constructor(socket: string, machineKey: string) {
    this.#socket = socket;
    this.#machineKey = machineKey;
    this.#docker = new Docker({ socketPath: socket });
  }

  async listPods(): Promise<PodSighting[]> {
    return this.#list([`${LABELS.agent}=${this.#machineKey}`]);
  }

  async findPod(leaseId: string): Promise<PodSighting | null> {
    const found = await this.#list([`${LABELS.agent}=${this.#machineKey}`, `${LABELS.lease}=${leaseId}`]);
    return found[0] ?? null;
  }

  async inspectPod(id: string): Promise<PodEnding | null> {
    const answer = await this.#ask('GET', `/containers/${id}/json`, { accept: [200, 404] });
    if (answer.status === 404) return null;
    const { State } = JSON.parse(answer.body) as {
      State: { Running: boolean; StartedAt?: string; FinishedAt?: string; ExitCode?: number };
    };
    return {
      running: State.Running,
      startedAtMs: engineTimeMs(State.StartedAt),
      finishedAtMs: State.Running ? null : engineTimeMs(State.FinishedAt),
      exitCode: State.Running ? null : (State.ExitCode ?? null),
    };
  }

  async createPod(container: PodContainer): Promise<string> {
    const answer = await this.#ask('POST', `/containers/create?name=${encodeURIComponent(container.name)}`, {
      body: container.body,
      accept: [201, 409],
      timeoutMs: SLOW_MS,
    });
    if (answer.status === 201) return (JSON.parse(answer.body) as { Id: string }).Id;
    const labels = container.body.Labels as Record<string, string>;
    const left = await this.findPod(labels[LABELS.lease] ?? '');
    if (left === null) throw new EngineRefusal(409, messageOf(answer));
    return left.id;
  }

  async putFiles(id: string, files: readonly PackedFile[]): Promise<void> {
    await this.#guard(async () => {
      const options = { path: '/', abortSignal: AbortSignal.timeout(QUICK_MS) };
      await this.#docker.getContainer(id).putArchive(packTar(files), options);
    });
  }

  async startPod(id: string): Promise<void> {
    const answer = await this.#ask('POST', `/containers/${id}/start`, { accept: 'any', timeoutMs: SLOW_MS });
    if (answer.status === 204 || answer.status === 304) return;
    const message = messageOf(answer);
    if (/port is already allocated|address already in use|failed to bind host port/i.test(message)) {
      throw new PortTaken(message);
    }
    throw new EngineRefusal(answer.status, message);
  }

  async stopPod(id: string, graceMs: number): Promise<void> {
    await this.#ask('POST', `/containers/${id}/stop?t=${Math.ceil(graceMs / 1000)}`, {
      accept: [204, 304, 404],
      timeoutMs: graceMs + SLOW_MS,
    });
  }

  async removePod(id: string): Promise<void> {
    await this.#ask('DELETE', `/containers/${id}?force=1&v=1`, { accept: [204, 404, 409], timeoutMs: SLOW_MS });
  }

  async readLogs(id: string, tailLines: number, maxBytes: number): Promise<string> {
    const answer = await this.#guard(async () => {
      const raw = await this.#docker.getContainer(id).logs({
        stdout: true,
        stderr: true,
        tail: tailLines,
        follow: false,
        abortSignal: AbortSignal.timeout(QUICK_MS),
      });
      return raw as unknown as Buffer;
    });
    return demultiplex(answer).subarray(-maxBytes).toString('utf8');
  }

  async findImage(reference: string): Promise<string | null> {
    const answer = await this.#ask('GET', `/images/${encodeURI(reference)}/json`, { accept: [200, 404] });
    return answer.status === 404 ? null : (JSON.parse(answer.body) as { Id: string }).Id;
  }

  async pullImage(reference: string, progress: PullProgress, signal: AbortSignal): Promise<void> {
    await this.#guard(() => followPull(this.#docker, reference, progress, signal));
  }

  async listNetworks(): Promise<NetworkSighting[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABELS.agent}=${this.#machineKey}`] }));
    const [networks, pods] = await Promise.all([
      this.#ask('GET', `/networks?filters=${filters}`, { accept: [200] }),
      this.listPods(),
    ]);
    const used = new Set(pods.map((pod) => pod.network));
    const listed = JSON.parse(networks.body) as Array<{ Name: string }>;
    return listed.map(({ Name }) => ({ name: Name, used: used.has(Name) }));
  }

  async createNetwork(name: string): Promise<void> {
    await this.#ask('POST', '/networks/create', {
      body: {
        Name: name,
        CheckDuplicate: true,
        Driver: 'bridge',
        Labels: { [LABELS.agent]: this.#machineKey },
        Options: {
          'com.docker.network.bridge.name': name,
          'com.docker.network.bridge.enable_icc': 'false',
          'com.docker.network.driver.mtu': String(uplinkMtu()),
        },
      },
      accept: [201],
    });
    await shortenArpRetries(name);
  }

  async removeNetwork(name: string): Promise<void> {
    await this.#ask('DELETE', `/networks/${name}`, { accept: [204, 404] });
  }

  async listVolumes(): Promise<Array<{ name: string; leaseId: string }>> {
    const filters = encodeURIComponent(JSON.stringify({ label: [`${LABELS.agent}=${this.#machineKey}`] }));
    const answer = await this.#ask('GET', `/volumes?filters=${filters}`, { accept: [200] });
    const { Volumes } = JSON.parse(answer.body) as {
      Volumes: Array<{ Name: string; Labels: Record<string, string> | null }> | null;
    };
    return (Volumes ?? []).map(({ Name, Labels }) => ({ name: Name, leaseId: Labels?.[LABELS.lease] ?? '' }));
  }

  async createVolume(name: string, leaseId: string): Promise<void> {
    await this.#ask('POST', '/volumes/create', {
      body: { Name: name, Labels: { [LABELS.agent]: this.#machineKey, [LABELS.lease]: leaseId } },
      accept: [201],
    });
  }

  async removeVolume(name: string): Promise<void> {
    await this.#ask('DELETE', `/volumes/${encodeURIComponent(name)}`, { accept: [204, 404] });
  }

  async watchDeaths(onOpen: () => void, onDeath: (death: PodDeath) => void, signal: AbortSignal): Promise<void> {
    const stream = await this.#guard(() =>
      this.#docker.getEvents({
        filters: { type: ['container'], event: ['die'], label: [`${LABELS.agent}=${this.#machineKey}`] },
        abortSignal: signal,
      }),
    );
    onOpen();
    let rest = '';
    try {
      for await (const chunk of stream) {
        const lines = `${rest}${String(chunk)}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const death = deathOf(line);
          if (death !== null) onDeath(death);
        }
      }
    } catch (fault) {
      if (!signal.aborted) throw new EngineAway(explain(fault), fault);
    }
  }

  async #list(labels: string[]): Promise<PodSighting[]> {
    const filters = encodeURIComponent(JSON.stringify({ label: labels }));
    const answer = await this.#ask('GET', `/containers/json?all=1&filters=${filters}`, { accept: [200] });
    return (JSON.parse(answer.body) as ListedContainer[]).map((one) => ({
      id: one.Id,
      leaseId: one.Labels[LABELS.lease] ?? '',
      fence: Number(one.Labels[LABELS.fence] ?? 0),
      state: stateOf(one.State),
      network: one.HostConfig?.NetworkMode ?? null,
    }));
  }

  async #ask(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    options: { body?: unknown; accept: readonly number[] | 'any'; timeoutMs?: number },
  ): Promise<EngineAnswer> {
    const answer = await this.#guard(() =>
      callEngine(this.#socket, method, path, {
        timeoutMs: options.timeoutMs ?? QUICK_MS,
        ...(options.body === undefined ? {} : { body: options.body }),
      }),
    );
    if (options.accept === 'any' || options.accept.includes(answer.status)) return answer;
    throw new EngineRefusal(answer.status, messageOf(answer));
  }

  /** Tells "the engine is away" from "the engine said no". */
  async #guard<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (fault) {
      const status = (fault as { statusCode?: unknown }).statusCode;
      if (typeof status === 'number') throw new EngineRefusal(status, explain(fault));
      if (fault instanceof EngineRefusal) throw fault;
      if (fault instanceof Error && fault.name === 'AbortError') throw fault;
      throw new EngineAway(`the engine on ${this.#socket} does not answer (${explain(fault)})`, fault);
    }
  }
}

/**
 * Someone who connects while a pod starts asks for its address before it has one; the kernel then asks again after a second by
 * default, and for that second nobody gets through. Needs root and the engine's own network namespace; without them it stays so.
 */
async function shortenArpRetries(bridge: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/ipv4/neigh/${bridge}/retrans_time_ms`, String(ARP_RETRY_MS));
  } catch {
    // Not ours to change here: a start that someone watches takes up to a second longer.
  }
}

/** The name of the volume of a lease. */
export function volumeName(leaseId: string): string {
  return `${podName(leaseId)}-volume`;
}

/** An engine's time, such as `2026-11-22T10:00:00.123456789Z`, in unix ms with fractions; null for its "never". */
export function engineTimeMs(text: string | undefined): number | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text ?? '');
  if (match === null || match[1]?.startsWith('0001-')) return null;
  return Date.parse(`${match[1]}${match[3]}`) + Number(`0${match[2] ?? ''}`) * 1000;
}

/** The text of a log that comes in frames (a header of 8 bytes: stream, three zeros, length); without a terminal only. */
export function demultiplex(raw: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length;) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}

function deathOf(line: string): PodDeath | null {
  if (line.trim() === '') return null;
  const event = JSON.parse(line) as {
    Action?: string;
    Actor?: { ID?: string; Attributes?: Record<string, string> };
    timeNano?: number;
  };
  const leaseId = event.Actor?.Attributes?.[LABELS.lease];
  if (event.Action !== 'die' || event.Actor?.ID === undefined || leaseId === undefined) return null;
  const exitCode = Number(event.Actor.Attributes?.exitCode);
  return {
    id: event.Actor.ID,
    leaseId,
    atMs: (event.timeNano ?? 0) / 1e6,
    exitCode: Number.isInteger(exitCode) ? exitCode : null,
  };
}

function stateOf(state: string): PodSighting['state'] {
  if (state === 'created') return 'created';
  return state === 'running' || state === 'paused' || state === 'restarting' ? 'running' : 'exited';
}

function messageOf(answer: EngineAnswer): string {
  try {
    return (JSON.parse(answer.body) as { message?: string }).message ?? answer.body.slice(0, 300);
  } catch {
    return answer.body.slice(0, 300);
  }
}
