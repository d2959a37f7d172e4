/** One PostgreSQL process in one data folder: make the folder, start, recognise, adopt and stop it. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError } from '@celium/contract';
import type { ServerAccount } from './server-account.ts';
import type { ServerBinaries } from './server-binaries.ts';

const INITDB_TIMEOUT_MS = 120_000;
const READY_TIMEOUT_MS = 60_000;
const FAST_STOP_MS = 15_000;
const POLL_MS = 20;
const START_ATTEMPTS = 20;

/** The role that owns everything in a server of ours. */
export const serverRole = 'celium';

/** Where one server lives. `socketDir` is short enough for a unix socket; `password` is that of `serverRole`. */
export type ServerPlace = {
  dataDir: string;
  socketDir: string;
  logPath: string;
  password: string;
  account: ServerAccount | undefined;
};

/** Makes the data folder in one step: a half-made one, left by a crash or a full disk, is never taken for a whole one. */
export async function initialiseData(place: ServerPlace, binaries: ServerBinaries, durable: boolean): Promise<void> {
  const parent = dirname(place.dataDir);
  for (const name of readdirSync(parent)) {
    if (name.startsWith(`${basename(place.dataDir)}.partial`))
      rmSync(join(parent, name), { recursive: true, force: true });
  }
  const partial = `${place.dataDir}.partial`;
  const passwordFile = join(parent, 'initial-password');
  makeFolder(partial, 0o700, place.account);
  try {
    rmSync(passwordFile, { force: true });
    writeFileSync(passwordFile, place.password, { mode: 0o600 });
    if (place.account) chownSync(passwordFile, place.account.uid, place.account.gid);
    const args = [
      `--pgdata=${partial}`,
      `--username=${serverRole}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
      '--no-instructions',
      ...(durable ? [] : ['--no-sync']),
    ];
    const { status, output } = await runOnce(join(binaries.folder, 'initdb'), args, place.account);
    if (status !== 0) throw describeFailure('initdb failed', output);
    renameSync(partial, place.dataDir);
  } catch (fault) {
    rmSync(partial, { recursive: true, force: true });
    throw fault instanceof CeliumError
      ? fault
      : describeFailure('the data folder could not be made', String(fault), fault);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/**
 * Starts the server detached, so that a signal to our process group does not reach it, and returns its pid once it
 * accepts connections. Starts again while the processes of a killed predecessor still hold its memory.
 */
export async function startServer(
  place: ServerPlace,
  binaries: ServerBinaries,
  settings: readonly string[],
): Promise<number> {
  const args = [
    '-D',
    place.dataDir,
    '-k',
    place.socketDir,
    '-c',
    'listen_addresses=',
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  for (let attempt = 1; ; attempt += 1) {
    removeForeignPidFile(place.dataDir);
    const log = openSync(place.logPath, 'w', 0o600);
    const child = spawn(join(binaries.folder, 'postgres'), args, {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: place.dataDir,
      env: serverEnvironment(),
      ...(place.account ? { uid: place.account.uid, gid: place.account.gid } : {}),
    });
    closeSync(log);
    let ended: string | undefined;
    child.once('error', (fault) => (ended = fault.message));
    child.once('exit', (status, signal) => (ended = signal ?? `exit status ${status}`));
    child.unref();
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    while (ended === undefined && performance.now() < deadlineMs) {
      if (readPidFile(place.dataDir)?.ready === true && child.pid !== undefined) return child.pid;
      await sleep(POLL_MS);
    }
    const output = readText(place.logPath);
    if (
      ended !== undefined &&
      attempt < START_ATTEMPTS &&
      /still in use|is being used|Is another postmaster/i.test(output)
    ) {
      await sleep(250);
      continue;
    }
    if (ended === undefined && child.pid !== undefined) killQuietly(child.pid, 'SIGQUIT');
    throw describeFailure(
      `PostgreSQL did not start (${ended ?? 'no answer within 60 s'}), see ${place.logPath}`,
      output,
    );
  }
}

/** The pid of a server that runs in this data folder, verified by program name and working folder; else undefined. */
export function findRunningServer(dataDir: string): number | undefined {
  const pid = readPidFile(dataDir)?.pid;
  return pid !== undefined && isServerOf(pid, dataDir) ? pid : undefined;
}

/** True while the server of this folder accepts connections. */
export function isServerReady(dataDir: string): boolean {
  return readPidFile(dataDir)?.ready === true;
}

/** Stops it: SIGINT (ends sessions, writes a checkpoint), after 15 s SIGQUIT, after 5 more SIGKILL. */
export async function stopServer(pid: number, dataDir: string): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', FAST_STOP_MS],
    ['SIGQUIT', 5000],
    ['SIGKILL', 2000],
  ] as const) {
    if (!isServerOf(pid, dataDir)) return;
    killQuietly(pid, signal);
    const deadlineMs = performance.now() + waitMs;
    while (performance.now() < deadlineMs) {
      if (!isServerOf(pid, dataDir)) return;
      await sleep(POLL_MS);
    }
  }
}

/** The major version of the data, or undefined when there is none. */
export function readDataMajor(dataDir: string): number | undefined {
  const major = Number.parseInt(readText(join(dataDir, 'PG_VERSION')), 10);
  return Number.isInteger(major) ? major : undefined;
}

/** A folder that belongs to the account, with exactly this mode. */
export function makeFolder(path: string, mode: number, account: ServerAccount | undefined): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  if (account) chownSync(path, account.uid, account.gid);
}

/** DISK_FULL when the text speaks of a full disk, else DATABASE_UNAVAILABLE with the end of the text. */
export function describeFailure(what: string, output: string, cause?: unknown): CeliumError {
  const end = output.trim().split('\n').slice(-6).join('\n');
  if (/no space left|ENOSPC|disk full/i.test(output)) {
    return new CeliumError('DISK_FULL', `The disk is full: ${what}. It said: ${end}`, { cause });
  }
  return new CeliumError('DATABASE_UNAVAILABLE', `${what}: ${end}`, { cause });
}

/** Lines 1 and 8 of postmaster.pid: the pid, and `ready` once connections are accepted. */
function readPidFile(dataDir: string): { pid: number; ready: boolean } | undefined {
  const lines = readText(join(dataDir, 'postmaster.pid')).split('\n');
  const pid = Number.parseInt(lines[0] ?? '', 10);
  return Number.isInteger(pid) && pid > 1 ? { pid, ready: lines[7]?.trim() === 'ready' } : undefined;
}

function isServerOf(pid: number, dataDir: string): boolean {
  try {
    if (readText(`/proc/${pid}/comm`).trim() !== 'postgres') return false;
    // A zombie has no folder any more, so this also tells a server that ended but was not collected.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir);
  } catch {
    return false;
  }
}

/** PostgreSQL refuses to start when its stale pid file names a pid that some other program has now. */
function removeForeignPidFile(dataDir: string): void {
  const pid = readPidFile(dataDir)?.pid;
  if (pid !== undefined && !isServerOf(pid, dataDir)) rmSync(join(dataDir, 'postmaster.pid'), { force: true });
}

async function runOnce(
  program: string,
  args: string[],
  account: ServerAccount | undefined,
): Promise<{ status: number | null; output: string }> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: serverEnvironment(),
      timeout: INITDB_TIMEOUT_MS,
      ...(account ? { uid: account.uid, gid: account.gid } : {}),
    });
    let output = '';
    const remember = (chunk: Buffer): void => {
      output = `${output}${chunk.toString('utf8')}`.slice(-16_384);
    };
    child.stdout.on('data', remember);
    child.stderr.on('data', remember);
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, output }));
  });
}

/** No secrets and no PG* settings of ours reach the server. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' };
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
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}
