/** Starts and stops a Docker daemon of our own, detached and without systemd, with user-namespace remap from the start. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './command.ts';
import { pingEngine } from './engine-api.ts';
import { EngineFailure, explainFault } from './failure.ts';
import type { Report } from './progress.ts';

const OVERLAY_MAGIC = 0x794c7630;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;
const DYING_TIMEOUT_MS = 1000;
const POLL_MS = 50;

/** Where one daemon of ours keeps everything; all paths lie under `dir` but the socket. */
export type DaemonPlace = { socket: string; dir: string };

/** `namespacePath` runs the daemon in that network namespace (a file such as /run/netns/NAME). */
export type DaemonOptions = DaemonPlace & { namespacePath?: string; addressPool?: string; liveRestore?: boolean };

/** The record of a daemon that we started, kept in `dir/daemon.pid.json`; the start ticks tell a reused pid apart. */
type DaemonRecord = { pid: number; startTicks: string; socket: string };

/** The configuration file of our daemon, as the object that is written. */
export function daemonConfiguration(
  options: DaemonOptions,
  storageDriver: string | undefined,
): Record<string, unknown> {
  return {
    hosts: [`unix://${options.socket}`],
    'data-root': join(options.dir, 'data'),
    'exec-root': join(options.dir, 'exec'),
    pidfile: join(options.dir, 'dockerd.pid'),
    'userns-remap': 'default',
    'userland-proxy': false,
    'live-restore': options.liveRestore ?? true,
    'log-driver': 'json-file',
    'log-opts': { 'max-size': '10m', 'max-file': '3' },
    // One small network per pod: 4,096 of them, clear of the 172.17.0.0/16 that an engine inside a pod takes.
    'default-address-pools': [{ base: options.addressPool ?? '172.20.0.0/14', size: 26 }],
    mtu: uplinkMtu(),
    ...(storageDriver === undefined ? {} : { 'storage-driver': storageDriver }),
  };
}

/** Starts dockerd and waits until it answers. Throws EngineFailure with the last lines of its log when it does not. */
export async function startDaemon(options: DaemonOptions, report: Report): Promise<void> {
  const dockerd = findProgram('dockerd');
  if (!dockerd) {
    throw new EngineFailure(
      'ENGINE_START_FAILED',
      'There is no dockerd on this machine.',
      'Install Docker, then try again.',
    );
  }
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers') && !existsSync('/sys/fs/cgroup/memory')) {
    throw new EngineFailure(
      'ENGINE_START_FAILED',
      'No control groups are mounted under /sys/fs/cgroup, and containers need them.',
      'Mount them (package cgroupfs-mount, command "cgroupfs-mount"), or run on a host that has them.',
    );
  }
  mkdirSync(options.dir, { recursive: true });
  // Remapped users pass through here, whatever the umask was.
  chmodSync(options.dir, 0o711);
  if (dirname(options.dir) === '/var/lib/celium') chmodSync('/var/lib/celium', 0o755);
  const configPath = join(options.dir, 'daemon.json');
  const logPath = join(options.dir, 'dockerd.log');
  const onOverlay = statfsSync(options.dir).type === OVERLAY_MAGIC;
  writeFileSync(
    configPath,
    `${JSON.stringify(daemonConfiguration(options, onOverlay ? 'vfs' : undefined), null, 2)}\n`,
  );
  if (onOverlay) report('the folder is on overlayfs, where only the slow vfs store works');
  await removeStalePidFiles(options.dir);

  const argv = [dockerd, '--config-file', configPath];
  if (options.namespacePath !== undefined) {
    argv.unshift(findProgram('nsenter') ?? 'nsenter', `--net=${options.namespacePath}`);
  }
  const [program, ...args] = argv as [string, ...string[]];
  const log = openSync(logPath, 'w', 0o600);
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (fault) => (ended = fault.message));
  child.once('exit', (status, signal) => (ended = signal ? `killed by ${signal}` : `exit status ${status}`));
  child.unref();

  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (!(await pingEngine(options.socket, 1000))) {
    if (ended !== undefined || performance.now() > deadlineMs) {
      const why = ended === undefined ? 'it did not answer within 60 s' : `it ended (${ended})`;
      if (child.pid !== undefined && ended === undefined) killQuietly(child.pid, 'SIGTERM');
      const lines = lastLines(logPath, 12);
      throw explainFault(
        new Error(lines),
        new EngineFailure(
          'ENGINE_START_FAILED',
          `The Docker daemon did not start: ${why}. The end of ${logPath}:\n${lines}`,
          'Fix what the log names, or start an engine yourself and pass its socket with --docker SOCKET.',
        ),
      );
    }
    await sleep(POLL_MS);
  }
  if (child.pid !== undefined) writeRecord(options, child.pid);
}

/** True when `dir` holds the record of a daemon that we started on this socket, dead or alive. */
export function isOurDaemon(place: DaemonPlace): boolean {
  return readRecord(place.dir)?.socket === place.socket;
}

/** True when the daemon that we started there is running now. */
export function isDaemonAlive(place: DaemonPlace): boolean {
  const record = readRecord(place.dir);
  return record !== undefined && record.socket === place.socket && startTicksOf(record.pid) === record.startTicks;
}

/**
 * Stops the daemon that we started in `dir`, with SIGTERM and, after 20 s, SIGKILL (`signal` SIGKILL at once).
 * Containers keep running where live-restore is on. Never touches a process that we did not start: false then.
 */
export async function stopDaemon(place: DaemonPlace, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<boolean> {
  const record = readRecord(place.dir);
  if (!record || record.socket !== place.socket || startTicksOf(record.pid) !== record.startTicks) return false;
  killQuietly(record.pid, signal);
  const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
  while (startTicksOf(record.pid) === record.startTicks) {
    if (performance.now() > deadlineMs) {
      killQuietly(record.pid, 'SIGKILL');
      await sleep(500);
      break;
    }
    await sleep(POLL_MS);
  }
  return true;
}

/** The last lines of a text file, for error messages; empty when it cannot be read. */
export function lastLines(path: string, count: number): string {
  try {
    return readFileSync(path, 'utf8').slice(-16_384).trim().split('\n').slice(-count).join('\n');
  } catch {
    return '';
  }
}

/** The MTU of the interface that holds the default route, 1500 when unknown; bridges above it drop large packets. */
export function uplinkMtu(routes = readText('/proc/net/route')): number {
  const uplink = routes
    .split('\n')
    .map((line) => line.split('\t'))
    .find((fields) => fields[1] === '00000000')?.[0];
  const mtu = uplink === undefined ? Number.NaN : Number(readText(`/sys/class/net/${uplink}/mtu`));
  return Number.isInteger(mtu) && mtu >= 576 ? Math.min(mtu, 1500) : 1500;
}

/**
 * After a kill -9 dockerd takes any process, even a dead one that nobody collected, for the one that its pid files
 * name: it then refuses to start, or waits for a containerd that is gone. A containerd dies with its dockerd, a moment later.
 */
async function removeStalePidFiles(dir: string): Promise<void> {
  for (const [path, program] of [
    [join(dir, 'dockerd.pid'), 'dockerd'],
    [join(dir, 'exec', 'containerd', 'containerd.pid'), 'containerd'],
  ] as const) {
    const pid = Number(readText(path));
    if (!Number.isInteger(pid) || pid <= 0) continue;
    const runs = (): boolean => startTicksOf(pid) !== undefined && readText(`/proc/${pid}/comm`).trim() === program;
    const deadlineMs = performance.now() + DYING_TIMEOUT_MS;
    while (runs() && performance.now() < deadlineMs) await sleep(POLL_MS);
    if (!runs()) rmSync(path, { force: true });
  }
}

function writeRecord(options: DaemonOptions, pid: number): void {
  // Under nsenter the spawned pid is dockerd's own, since nsenter without --fork replaces itself.
  const record: DaemonRecord = { pid, startTicks: startTicksOf(pid) ?? '', socket: options.socket };
  writeFileSync(join(options.dir, 'daemon.pid.json'), JSON.stringify(record));
}

function readRecord(dir: string): DaemonRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'daemon.pid.json'), 'utf8')) as DaemonRecord;
  } catch {
    return undefined;
  }
}

/** Field 22 of /proc/PID/stat: when the process started; undefined when it does not run (or is a zombie). */
function startTicksOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields.length < 20 ? undefined : fields[19];
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Container processes (shims) that a daemon in `dir` left behind, by the exec root in their arguments. */
export function leftoverShims(dir: string): number[] {
  const marker = join(dir, 'exec');
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0)
    .filter((pid) => {
      const line = readText(`/proc/${pid}/cmdline`);
      return line.includes('containerd') && line.includes(marker);
    });
}
