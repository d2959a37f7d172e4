/** Puts the agent together, serves until SIGTERM, and leaves pods running: the next run takes them over. */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { SqliteLog, SqliteNonceStore, connectChain, toHex, verifySignature } from '@celium/chain';
import { CeliumError, crashAt } from '@celium/contract';
import { pino } from 'pino';
import { makeApi } from '../api/server.ts';
import { readBootId, systemClock } from '../clock.ts';
import { ensureBaseImage } from '../engine/base-image.ts';
import { pingEngine, readEngineFacts, type EngineFacts } from '../engine/engine-api.ts';
import { defaultSocket, ensureEngine, socketPathOf } from '../engine/ensure.ts';
import { runStep, type StepEvent } from '../engine/progress.ts';
import { readHostFacts } from '../host/facts.ts';
import { hardwareChanges } from '../host/gpu-claims.ts';
import { detectNvidiaGpus } from '../host/gpus.ts';
import { HostInventory } from '../inventory/host-inventory.ts';
import { NVIDIA_PLACES, NvmlProcess } from '../inventory/nvml/nvml-process.ts';
import { openMachineKey } from '../identity/machine-key.ts';
import { openTlsIdentity } from '../identity/tls-key.ts';
import { cachedPermits, type HasPermit } from '../leases/authority.ts';
import { FilterKeeper } from '../isolation/filter-keeper.ts';
import { PodFilter } from '../isolation/pod-filter.ts';
import type { AgentIdentity } from '../leases/desk-ports.ts';
import { LeaseDesk } from '../leases/lease-desk.ts';
import { printableSink, type Log } from '../log.ts';
import { ManifestSource } from '../manifest/manifest-source.ts';
import { MarketLinks } from '../market/market-links.ts';
import { DockerEngine } from '../pods/docker-engine.ts';
import { EngineImages } from '../pods/image-source.ts';
import { StateLeaseFolders, type PodOwner } from '../pods/lease-folder.ts';
import { NetworkPool } from '../pods/network-pool.ts';
import { sshBannerOver } from '../pods/ssh-banner.ts';
import { GrantLog } from '../publication/grant-log.ts';
import { watchEngine } from '../reconciler/engine-watch.ts';
import { Reconciler } from '../reconciler/reconciler.ts';
import { LeaseStore } from '../store/lease-store.ts';
import { makeStateFolder } from './init.ts';
import type { RunOptions } from './options.ts';
import type { Output } from './output.ts';
import { toolsFolder } from './tools.ts';

export const AGENT_VERSION = '0.1.0';

const SPARE_NETWORKS = 2;
const MIN_FREE_DISK_BYTES = 128 * 1024 * 1024;
const STOP_TIMEOUT_MS = 5_000;
const MANIFEST_SERIAL = 'manifest-serial';

/** Serves until SIGTERM or SIGINT. Throws what keeps it from starting, with a code of the table. */
export async function run(options: RunOptions, output: Output): Promise<void> {
  const crash = crashAt(process.env.CELIUM_CRASH_AT, () => process.kill(process.pid, 'SIGKILL'));
  const log: Log = pino(
    { name: 'agent', level: process.env.CELIUM_LOG ?? 'info' },
    printableSink(pino.destination({ fd: 2, sync: false })),
  );
  const clock = systemClock;
  makeStateFolder(options.stateDir);
  const store = new LeaseStore(join(options.stateDir, 'leases.sqlite'));
  const key = openMachineKey(options.stateDir);
  const tls = openTlsIdentity(options.stateDir, clock.nowMs());
  const identity: AgentIdentity = {
    key,
    machineKey: toHex(key.publicKey),
    bootId: readBootId(),
    agentInstanceId: randomUUID(),
  };
  const manifest = new ManifestSource(
    options.manifestPath,
    { machineKey: identity.machineKey, tlsKeyHash: tls.keyHash, allowPrivate: options.allowPrivate },
    Number(store.fact(MANIFEST_SERIAL) ?? 0),
    log,
  );
  checkAgainstManifest(options, manifest);
  store.setFact(MANIFEST_SERIAL, String(manifest.current.signed.body.serial));

  const { socket, facts } = await openEngine(options, output);
  const progress = (step: StepEvent): void => output.step(step);
  const [image, tools] = await Promise.all([
    ensureBaseImage({ socket, cacheDir: join(options.stateDir, 'cache'), progress }),
    runStep(progress, 'tools folder', () => toolsFolder(options.stateDir, options.toolsDir)),
  ]);

  const engine = new DockerEngine(socket, identity.machineKey);
  const networks = new NetworkPool(engine, SPARE_NETWORKS, clock, log);
  const filter = new FilterKeeper({ filter: new PodFilter({ log }), clock, log }, !options.openEgress);
  const folders = new StateLeaseFolders(options.stateDir, ownerOf(facts));
  await folders.removeStrays(new Set(store.open().map((record) => record.leaseId)));
  const reconciler = new Reconciler({
    identity,
    manifest: () => manifest.current,
    store,
    folders,
    engine,
    networks,
    images: new EngineImages(engine, store, image.imageId),
    awaitBanner: sshBannerOver(clock),
    host: readHostFacts(options.stateDir),
    toolsFolder: tools,
    clock,
    crash,
    log,
    freeDiskBytes: () => freeBytes([options.stateDir, facts.dataRoot]),
    minFreeDiskBytes: MIN_FREE_DISK_BYTES,
  });
  const hasPermit = permitsOf(options.chainUrl);
  const desk = new LeaseDesk({
    identity,
    manifest: () => manifest.current,
    hasPermit,
    store,
    folders,
    work: reconciler,
    clock,
    crash,
    log,
  });
  const publicLog = new SqliteLog(join(options.stateDir, 'log.sqlite'));
  const grantLog = new GrantLog({ identity, store, log: publicLog, clock, report: log });
  const nonces = new SqliteNonceStore(join(options.stateDir, 'nonces.sqlite'), { now: clock.nowMs });
  const nvml = new NvmlProcess(NVIDIA_PLACES);
  const inventory = new HostInventory({
    identity,
    machineId: () => manifest.current.machine.machineId,
    openLeases: () => new Set(store.open().map((record) => record.leaseId)),
    socket,
    diskFolder: readablePath([facts.dataRoot, options.stateDir]),
    isFiltered: () => filter.stands,
    nvml,
    clock,
    log,
  });
  const links = new MarketLinks({
    identity,
    manifest: () => manifest.current,
    desk,
    reconciler,
    store,
    inventory,
    readLogs: (podId, lines, maxBytes) => engine.readLogs(podId, lines, maxBytes),
    clock,
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    version: AGENT_VERSION,
    log,
  });
  reconciler.onStatus((record, status) => {
    links.tell(record, status);
    grantLog.note();
  });
  reconciler.onRegrant((record) => links.tellGrant(record));

  const api = makeApi({
    identity,
    tls,
    manifest: () => manifest.current,
    desk,
    reconciler,
    store,
    grantLog,
    inventory,
    hasPermit,
    nonces,
    clock,
    log,
  });
  const address = await listen(api, options);
  const ending = new AbortController();
  const watching = new Promise<void>((resolve) => {
    const onReturn = (): void => void filter.renew();
    void watchEngine(engine, reconciler, { clock, log, onReturn }, ending.signal, resolve);
  });
  await watching;
  await networks.adopt();
  const bridge = await networks.take();
  try {
    await filter.start(bridge);
  } catch (fault) {
    // An agent that does not start leaves nothing behind.
    networks.give(bridge);
    await networks.clear();
    throw fault;
  }
  networks.give(bridge);
  void filter.keep(ending.signal);
  await reconciler.start();
  grantLog.note();
  manifest.onChange((changed) => {
    store.setFact(MANIFEST_SERIAL, String(changed.signed.body.serial));
    links.follow(changed);
    void tellHardwareChanges(manifest, nvml, log);
  });
  manifest.watch();
  process.on('SIGHUP', () => manifest.reload());
  links.follow(manifest.current);
  void tellHardwareChanges(manifest, nvml, log);
  await warmUp(identity);
  const { machine, signed } = manifest.current;
  output.ready(
    {
      url: address,
      pid: process.pid,
      machineId: machine.machineId,
      machineKey: identity.machineKey,
      manifestSerial: signed.body.serial,
      tlsKeyHash: tls.keyHash,
      units: machine.units,
      socket,
      image: image.tag,
      imageId: image.imageId,
      usernsRemap: facts.remap !== null,
      tools,
      bootId: identity.bootId,
      agentInstanceId: identity.agentInstanceId,
    },
    `machine ${machine.machineId} is served at ${address}, ${machine.markets.length} market(s)`,
  );

  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  // A second signal ends at once, the ordinary way.
  process.once('SIGTERM', () => process.exit(0));
  reconciler.stop();
  links.stop();
  manifest.close();
  ending.abort();
  nvml.close();
  await Promise.race([
    Promise.allSettled([api.close(), networks.clear()]),
    new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS)),
  ]);
  store.close();
  nonces.close();
  publicLog.close();
}

/** Only the hotkey can mend a manifest: the agent says where cards and manifest differ, and `celium provider join` writes it anew. Never rejects. */
async function tellHardwareChanges(manifest: ManifestSource, nvml: NvmlProcess, log: Log): Promise<void> {
  const [driverUnits, answer] = await Promise.all([detectNvidiaGpus().catch(() => []), nvml.ask()]);
  for (const change of hardwareChanges(manifest.current.machine, driverUnits, answer))
    log.warn({ change }, 'the GPUs are not those of the manifest: run `celium provider join` again');
}

/** The first signature of a process takes ten times as long as the next: better now than in a renter's first request. */
async function warmUp(identity: AgentIdentity): Promise<void> {
  const bytes = new Uint8Array(32);
  for (let times = 0; times < 3; times += 1) {
    verifySignature(bytes, await identity.key.sign(bytes), identity.key.publicKey);
  }
}

async function openEngine(options: RunOptions, output: Output): Promise<{ socket: string; facts: EngineFacts }> {
  if (options.engineSetup) {
    const engine = await ensureEngine({
      ...(options.socket === undefined ? {} : { socket: options.socket }),
      environment: process.env,
      progress: (step) => output.step(step),
    });
    return { socket: engine.socket, facts: engine.facts };
  }
  const given = options.socket ?? process.env.DOCKER_HOST;
  const socket = given === undefined || given === '' ? defaultSocket : socketPathOf(given);
  if (!(await pingEngine(socket))) {
    throw new CeliumError('ENGINE_UNAVAILABLE', `no Docker engine answers on ${socket}`);
  }
  return { socket, facts: await readEngineFacts(socket) };
}

async function listen(api: ReturnType<typeof makeApi>, options: RunOptions): Promise<string> {
  try {
    return await api.listen({ host: options.host, port: options.port });
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') {
      throw new CeliumError('PORT_IN_USE', `${options.host}:${options.port} cannot be listened on (${code})`, {
        cause,
      });
    }
    throw cause;
  }
}

/** The manifest is the truth; flags that say something else are a mistake that is better found now. */
function checkAgainstManifest(options: RunOptions, manifest: ManifestSource): void {
  const { publicHost, portRange } = manifest.current.machine;
  if (options.publicHost !== undefined && options.publicHost !== publicHost) {
    throw new CeliumError('USAGE', `--public-host ${options.publicHost} is not the manifest’s ${publicHost}`);
  }
  const given = options.portRange;
  if (given !== undefined && (given.from !== portRange.from || given.to !== portRange.to)) {
    throw new CeliumError(
      'USAGE',
      `--port-range ${given.from}-${given.to} is not the manifest’s ${portRange.from}-${portRange.to}`,
    );
  }
}

function permitsOf(chainUrl: string | undefined): HasPermit {
  if (chainUrl === undefined) {
    return async () => {
      throw new CeliumError('CHAIN_UNAVAILABLE', 'this agent was started without --chain');
    };
  }
  const chain = connectChain(chainUrl);
  const readPermits = async (): Promise<ReadonlySet<string>> => {
    const neurons = await chain.neurons();
    return new Set(neurons.filter((neuron) => neuron.validatorPermit).map((neuron) => neuron.hotkey));
  };
  return cachedPermits(readPermits, systemClock);
}

/** Root of a pod as the host sees it; null when files need not change hands. */
function ownerOf(facts: EngineFacts): PodOwner | null {
  if (process.getuid?.() !== 0) return null;
  return facts.remap ?? { uid: 0, gid: 0 };
}

/** The first path that we may see. */
function readablePath(paths: readonly string[]): string {
  return paths.find((path) => Number.isFinite(freeBytes([path]))) ?? '/';
}

/** The least free space of the disks that hold these paths; a path that we may not see does not count. */
function freeBytes(paths: readonly string[]): number {
  const free = paths.map((path) => {
    try {
      const disk = statfsSync(path);
      return disk.bavail * disk.bsize;
    } catch {
      return Infinity;
    }
  });
  return Math.min(...free);
}
