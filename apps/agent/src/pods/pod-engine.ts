/** What the agent needs of a container engine. A port: Docker implements it, and a simulator can. */
import type { PodContainer } from './plain-profile.ts';
import type { PackedFile } from './tar.ts';

/** A container as the engine has it. Times are the engine's, unix ms; null while they have not come. */
export interface PodSighting {
  id: string;
  leaseId: string;
  fence: number;
  state: 'created' | 'running' | 'exited';
  network: string | null;
}

/** What is left to know of a container that ran. */
export interface PodEnding {
  startedAtMs: number | null;
  finishedAtMs: number | null;
  exitCode: number | null;
  running: boolean;
}

/** A pod's first process ended. */
export interface PodDeath {
  id: string;
  leaseId: string;
  /** The engine's time, unix ms. */
  atMs: number;
  exitCode: number | null;
}

export interface NetworkSighting {
  name: string;
  /** Containers that are attached, running or not. */
  used: boolean;
}

/** Bytes moved so far, when they are known. */
export type PullProgress = (detail: string) => void;

/** The engine does not answer: nothing is known about what was asked, and it is asked again when it is back. */
export class EngineAway extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EngineAway';
  }
}

/** The engine refused because another program holds a port that was to be published. */
export class PortTaken extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PortTaken';
  }
}

/** The engine refused for another reason; `message` is its own. */
export class EngineRefusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'EngineRefusal';
    this.status = status;
  }
}

/** Every method throws `EngineAway` or `EngineRefusal`; removing what is not there is no error. */
export interface PodEngine {
  /** All containers of this agent. */
  listPods(): Promise<PodSighting[]>;
  /** The container of one lease, or null. */
  findPod(leaseId: string): Promise<PodSighting | null>;
  /** How a container is, or null when there is none. */
  inspectPod(id: string): Promise<PodEnding | null>;
  /** Makes a container and returns its id; one of the same name that was left behind is returned instead. */
  createPod(container: PodContainer): Promise<string>;
  /** Puts files into a container, running or not; they belong to its root. */
  putFiles(id: string, files: readonly PackedFile[]): Promise<void>;
  /** Starts it. Throws `PortTaken`. */
  startPod(id: string): Promise<void>;
  /** Ends its first process: asks, and after `graceMs` kills. */
  stopPod(id: string, graceMs: number): Promise<void>;
  removePod(id: string): Promise<void>;
  /** The newest lines of its output, at most `maxBytes`, cut from the front. */
  readLogs(id: string, tailLines: number, maxBytes: number): Promise<string>;

  /** Id of an image that is here, or null. */
  findImage(reference: string): Promise<string | null>;
  /** Brings an image. Throws `EngineRefusal` when it cannot be had. */
  pullImage(reference: string, progress: PullProgress, signal: AbortSignal): Promise<void>;

  /** Networks of this agent. */
  listNetworks(): Promise<NetworkSighting[]>;
  createNetwork(name: string): Promise<void>;
  removeNetwork(name: string): Promise<void>;

  /** Names of volumes of this agent, by the lease they belong to. */
  listVolumes(): Promise<Array<{ name: string; leaseId: string }>>;
  createVolume(name: string, leaseId: string): Promise<void>;
  removeVolume(name: string): Promise<void>;

  /** Tells deaths of pods until the engine goes away (then it returns) or `signal` aborts. `onOpen`: deaths from now on are told. */
  watchDeaths(onOpen: () => void, onDeath: (death: PodDeath) => void, signal: AbortSignal): Promise<void>;
}
