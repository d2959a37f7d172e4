/** Which container a process of the host is in, by its control group; and whether NVIDIA's multi-process server runs. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The kernel cuts a process's name after 15 characters: both the server and its control are this. */
const MPS_NAME = 'nvidia-cuda-mps';
const MAX_PROCESSES = 100_000;

/**
 * Where a process is: the id of its container (the outermost, when a container runs containers), or `host`. Null for one that has ended, or
 * that this host's process numbers do not know.
 */
export function placeOfProcess(pid: number, procFolder = '/proc'): string | null {
  const text = read(join(procFolder, String(pid), 'cgroup'));
  if (text === '') return null;
  // Version 1 has a line per controller, version 2 one; the engine's drivers write /docker/<id> or docker-<id>.scope.
  for (const line of text.split('\n')) {
    const id = /(?:^|[/-])([0-9a-f]{64})(?=[/.]|$)/.exec(line.slice(line.indexOf(':/') + 1))?.[1];
    if (id !== undefined) return id;
  }
  return 'host';
}

/** True when a process of NVIDIA's multi-process server is there. */
export function isMpsRunning(procFolder = '/proc'): boolean {
  const pids = readdirSync(procFolder).filter((name) => /^\d+$/.test(name));
  return pids.slice(0, MAX_PROCESSES).some((pid) => read(join(procFolder, pid, 'comm')).trim() === MPS_NAME);
}

/** Processes end at any time: what cannot be read is empty. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
