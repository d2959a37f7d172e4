/** Brings a lease's pod up, from wherever an earlier run of the agent left it, until SSH answers on its published port. */
import { signDocument } from '@celium/chain';
import { CeliumError, type CrashHere, type LeaseStatus } from '@celium/contract';
import { isCpuUnit, isLoopbackHost } from '@celium/domain';
import type { Clock } from '../clock.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import { volumeName } from '../pods/docker-engine.ts';
import type { ImageSource } from '../pods/image-source.ts';
import type { LeaseFolders } from '../pods/lease-folder.ts';
import type { NetworkPool } from '../pods/network-pool.ts';
import { limitsOfShare, plainProfile, type PodContainer } from '../pods/plain-profile.ts';
import { EngineAway, PortTaken, type PodEngine, type PodSighting } from '../pods/pod-engine.ts';
import { choosePorts } from '../pods/port-table.ts';
import type { AwaitSshBanner } from '../pods/ssh-banner.ts';
import type { LeaseRecord } from '../store/lease-record.ts';
import type { LeaseStore } from '../store/lease-store.ts';

/** A pod that runs and does not greet for this long has failed to start. */
const BANNER_TIMEOUT_MS = 120_000;
const MAX_PORT_TRIES = 5;

export interface PodPorts {
  identity: AgentIdentity;
  manifest: () => OwnManifest;
  store: LeaseStore;
  folders: LeaseFolders;
  engine: PodEngine;
  networks: NetworkPool;
  images: ImageSource;
  awaitBanner: AwaitSshBanner;
  /** Cores and memory that pods may have in all. */
  host: { cpuCores: number; memoryBytes: number };
  toolsFolder: string | null;
  clock: Clock;
  crash: CrashHere;
}

/** What a start tells while it goes on. */
export interface StartObserver {
  state(state: LeaseStatus['state'], detail: string | null): void;
  /** The grant was signed again, with other ports. */
  regranted(record: LeaseRecord): void;
  /** From now on the container's death concerns this start. */
  watching(podId: string): void;
}

/**
 * Returns when SSH answers; the record on disk then names the container. Throws `CeliumError` (`IMAGE_UNAVAILABLE`,
 * `POD_START_FAILED`, `DISK_FULL`), `EngineAway`, `EngineRefusal`, or what `signal` was aborted with.
 */
export async function bringUp(
  leaseId: string,
  found: PodSighting | null,
  ports: PodPorts,
  observer: StartObserver,
  signal: AbortSignal,
): Promise<void> {
  if (!ports.folders.hasKey(leaseId)) {
    throw new CeliumError('POD_START_FAILED', 'the host key of the lease is lost, so the pod could not prove itself');
  }
  if (found?.state === 'running') {
    observer.state('starting', null);
    ports.store.update(leaseId, { podInstance: found.id }, false);
    observer.watching(found.id);
    return await greet(recordOf(leaseId, ports.store), ports, signal);
  }
  let image: string | null = null;
  let id = found?.id;
  for (let tries = 1; ; tries += 1) {
    if (id === undefined) {
      image ??= await imageOf(recordOf(leaseId, ports.store), ports, observer, signal);
      observer.state('starting', null);
      id = await create(recordOf(leaseId, ports.store), image, ports, signal);
    }
    ports.crash('agent.pod.created');
    await deliverKeys(leaseId, id, ports);
    try {
      return await start(leaseId, id, ports, observer, signal);
    } catch (fault) {
      if (!(fault instanceof PortTaken) || tries >= MAX_PORT_TRIES) throw fault;
      await ports.engine.removePod(id);
      observer.regranted(await regrant(recordOf(leaseId, ports.store), ports));
      id = undefined;
    }
  }
}

/**
 * Starts a container and waits for its greeting. No packet is sent to it before the engine's own answer: one that finds the
 * bridge without the pod's interface makes the kernel wait a second before it asks for the pod's address again.
 */
async function start(
  leaseId: string,
  id: string,
  ports: PodPorts,
  observer: StartObserver,
  signal: AbortSignal,
): Promise<void> {
  const started = ports.engine.startPod(id);
  // Written while the engine works; after a crash before this the label finds the container.
  ports.store.update(leaseId, { podInstance: id }, false);
  await started;
  observer.watching(id);
  ports.crash('agent.pod.started');
  await greet(recordOf(leaseId, ports.store), ports, signal);
}

async function imageOf(
  record: LeaseRecord,
  ports: PodPorts,
  observer: StartObserver,
  signal: AbortSignal,
): Promise<string> {
  return await ports.images.resolve(
    record.request.body.pod.image,
    (detail) => observer.state('pulling', detail),
    signal,
  );
}

async function create(record: LeaseRecord, image: string, ports: PodPorts, signal: AbortSignal): Promise<string> {
  const { pod } = record.request.body;
  const volume = pod.volumeBytes > 0 ? volumeName(record.leaseId) : null;
  const [network] = await Promise.all([
    ports.networks.take(),
    volume === null ? undefined : ports.engine.createVolume(volume, record.leaseId),
  ]);
  try {
    signal.throwIfAborted();
    return await ports.engine.createPod(containerOf(record, image, network, volume, ports));
  } catch (fault) {
    // Whether the engine made the container is unknown when it went away; the pool finds out by itself.
    if (!(fault instanceof EngineAway)) ports.networks.give(network);
    throw fault;
  }
}

function containerOf(
  record: LeaseRecord,
  image: string,
  network: string,
  volume: string | null,
  ports: PodPorts,
): PodContainer {
  const { machine } = ports.manifest();
  const { body } = record.grant;
  return plainProfile({
    leaseId: record.leaseId,
    fence: body.fence,
    machineKey: ports.identity.machineKey,
    image,
    env: record.request.body.pod.env,
    ports: body.ports,
    hostIp: isLoopbackHost(machine.publicHost) ? '127.0.0.1' : '',
    network,
    limits: limitsOfShare(body.units.length, Math.max(machine.units.length, body.units.length), {
      cpuCores: Math.min(machine.host.cpuCores, ports.host.cpuCores),
      memoryBytes: Math.min(machine.host.memoryBytes, ports.host.memoryBytes),
    }),
    gpus: body.units.filter((unit) => !isCpuUnit(unit)),
    leaseFolder: ports.folders.delivery === 'mounted' ? ports.folders.path(record.leaseId) : null,
    toolsFolder: ports.toolsFolder,
    volume,
  });
}

/** Puts host key and authorized keys into a container that does not mount them. */
export async function deliverKeys(
  leaseId: string,
  id: string,
  ports: Pick<PodPorts, 'folders' | 'engine'>,
): Promise<void> {
  if (ports.folders.delivery === 'copied') await ports.engine.putFiles(id, await ports.folders.pack(leaseId));
}

/** Waits for SSH on the published port. */
async function greet(record: LeaseRecord, ports: PodPorts, signal: AbortSignal): Promise<void> {
  const ssh = record.grant.body.ports.find((one) => one.pod === 22);
  if (ssh === undefined) throw new CeliumError('POD_START_FAILED', 'the grant publishes no port 22');
  const late = new AbortController();
  const cancel = ports.clock.after(BANNER_TIMEOUT_MS, () =>
    late.abort(new CeliumError('POD_START_FAILED', 'no SSH server answered in the pod within 120 s')),
  );
  try {
    const { publicHost } = ports.manifest().machine;
    // Behind an address translation only one of the two may be reachable from here.
    const hosts = isLoopbackHost(publicHost) ? ['127.0.0.1'] : ['127.0.0.1', publicHost];
    await ports.awaitBanner(hosts, ssh.host, AbortSignal.any([signal, late.signal]));
  } finally {
    cancel();
  }
}

/** Signs the grant again with the next free ports; lease, fence and host key stay. */
async function regrant(record: LeaseRecord, ports: PodPorts): Promise<LeaseRecord> {
  const { body } = record.grant;
  const taken = new Set([...ports.store.heldPorts(), ...body.ports.map((port) => port.host)]);
  const range = ports.manifest().machine.portRange;
  // The engine does not say which port it was; later ones are the likelier to be free.
  const past = { from: Math.min(range.to, Math.max(...body.ports.map((port) => port.host)) + 1), to: range.to };
  const wanted = body.ports.map((port) => port.pod);
  const chosen = (await choosePorts(wanted, past, taken)) ?? (await choosePorts(wanted, range, taken));
  if (chosen === null) throw new CeliumError('POD_START_FAILED', 'no free ports are left in the machine’s range');
  const grant = await signDocument('grant', { ...body, ports: chosen }, ports.identity.key);
  return ports.store.regrant(record.leaseId, grant);
}

function recordOf(leaseId: string, store: LeaseStore): LeaseRecord {
  const record = store.lease(leaseId);
  if (record === undefined) throw new Error(`lease ${leaseId} is not on record`);
  return record;
}
