/** Finds the Docker Engine to use, or installs and starts one; an engine that answers is used as it is and never changed. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram, runCommand } from './command.ts';
import { isDaemonAlive, isOurDaemon, startDaemon, stopDaemon } from './daemon.ts';
import { pingEngine, readEngineFacts, type EngineFacts } from './engine-api.ts';
import { EngineFailure, explainFault } from './failure.ts';
import { withFileLock } from './lock.ts';
import { canInstallPackages, installPackages } from './packages.ts';
import { runStep, silent, type Progress } from './progress.ts';

/** Where an engine is looked for, and put, unless told otherwise. */
export const defaultSocket = '/var/run/docker.sock';

/** Where our own engine keeps images and containers unless told otherwise: one per machine, whatever state a demo has. */
export const defaultEngineDir = '/var/lib/celium/engine';

const LOCK_TIMEOUT_MS = 15 * 60_000;

/**
 * `socket`: a path or unix:// address given by a person, which is then used and never started by us unless we started
 * it before; without it DOCKER_HOST, then /var/run/docker.sock. `engineDir`: where an engine of our own lives.
 */
export type EnsureEngineOptions = {
  socket?: string;
  engineDir?: string;
  progress?: Progress;
  environment?: NodeJS.ProcessEnv;
  /** Who we are; only 0 may install and start. */
  uid?: number;
};

/** The engine to use. `startedByUs`: it runs from our folder; `facts.remap`: null when root in pods is root outside. */
export type ReadyEngine = { socket: string; startedByUs: boolean; facts: EngineFacts };

/** See EnsureEngineOptions. Throws EngineFailure: ENGINE_UNAVAILABLE, NOT_ROOT, ENGINE_START_FAILED or DISK_FULL. */
export async function ensureEngine(options: EnsureEngineOptions = {}): Promise<ReadyEngine> {
  const progress = options.progress ?? silent;
  const given = options.socket ?? options.environment?.DOCKER_HOST;
  const socket = given === undefined || given === '' ? defaultSocket : socketPathOf(given);
  const place = { socket, dir: options.engineDir ?? defaultEngineDir };

  if (!(await pingEngine(socket))) {
    const ours = isOurDaemon(place);
    if (given !== undefined && given !== '' && socket !== defaultSocket && !ours) {
      throw new EngineFailure(
        'ENGINE_UNAVAILABLE',
        `No Docker Engine answers on ${socket}, the socket that was asked for.`,
        'Start that engine, or leave the socket out so that Celium finds or starts one.',
      );
    }
    if ((options.uid ?? process.getuid?.()) !== 0) throw unreachableWithoutRoot(socket);
    try {
      await withFileLock(join(place.dir, '..', 'engine.lock'), LOCK_TIMEOUT_MS, async () => {
        // Another process may have started it while we waited for the lock.
        if (await pingEngine(socket)) return;
        await installEngineIfMissing(progress);
        if (await pingEngine(socket)) return;
        await runStep(progress, 'docker engine', async (report) => {
          if (isDaemonAlive(place)) {
            report('the engine that was started earlier hangs; restarting it');
            await stopDaemon(place);
          }
          await startDaemon(place, report);
          report(socket);
        });
      });
    } catch (fault) {
      throw explainFault(fault, asStartFailure(fault));
    }
  }
  const facts = await readEngineFacts(socket);
  return { socket, startedByUs: isDaemonAlive(place), facts };
}

/** The path of `unix:///run/x.sock` or of a plain path. Throws for tcp and ssh, which we do not speak. */
export function socketPathOf(address: string): string {
  if (address.startsWith('/')) return address;
  if (address.startsWith('unix://')) return address.slice('unix://'.length);
  throw new EngineFailure(
    'ENGINE_UNAVAILABLE',
    `"${address}" is not a local Docker socket.`,
    'Pods need an engine on this machine: use unix:///path/to/docker.sock, or unset DOCKER_HOST.',
  );
}

async function installEngineIfMissing(progress: Progress): Promise<void> {
  if (findProgram('dockerd') && findProgram('iptables')) return;
  if (!canInstallPackages()) {
    throw new EngineFailure(
      'ENGINE_UNAVAILABLE',
      'There is no Docker Engine here, and this is not a Debian or Ubuntu system where Celium could install one.',
      'Install Docker (https://docs.docker.com/engine/install/), start it, and run the command again.',
    );
  }
  const underSystemd = existsSync('/run/systemd/system');
  if (underSystemd && !existsSync('/etc/docker/daemon.json')) {
    // The package starts its own service under systemd, so the remap has to be there before the first start.
    mkdirSync('/etc/docker', { recursive: true });
    writeFileSync(
      '/etc/docker/daemon.json',
      `${JSON.stringify({ 'userns-remap': 'default', 'userland-proxy': false, 'live-restore': true }, null, 2)}\n`,
    );
  }
  await runStep(progress, 'docker packages', async (report) => {
    const names = ['docker.io', 'iptables', 'ca-certificates'];
    if (!findProgram('ssh')) names.push('openssh-client');
    await installPackages(names, report);
    if (underSystemd) await runCommand(['systemctl', 'start', 'docker'], { timeoutMs: 60_000 });
  });
}

function unreachableWithoutRoot(socket: string): EngineFailure {
  const present = existsSync(socket) && statSync(socket).isSocket();
  if (present) {
    return new EngineFailure(
      'ENGINE_UNAVAILABLE',
      `The Docker socket ${socket} is there, but this user cannot use it or nothing answers behind it.`,
      'Add yourself to the group "docker" and log in again, start the engine, or run the command as root.',
    );
  }
  return new EngineFailure(
    'NOT_ROOT',
    `No Docker Engine answers on ${socket}, and only root can install or start one.`,
    'Run the command once as root, or install and start Docker and point --docker at its socket.',
  );
}

function asStartFailure(fault: unknown): EngineFailure {
  return new EngineFailure(
    'ENGINE_START_FAILED',
    `The Docker Engine could not be set up: ${fault instanceof Error ? fault.message : String(fault)}`,
    `Look at ${join(dirname(defaultEngineDir), 'engine', 'dockerd.log')}, or start an engine yourself and pass --docker SOCKET.`,
    fault,
  );
}
