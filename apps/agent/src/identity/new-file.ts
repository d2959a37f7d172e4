/** Files that appear whole or not at all: written beside their place, synced, then linked or renamed into it. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { CeliumError } from '@celium/contract';

/** Writes a file unless it exists: true when this call made it. Throws `DISK_FULL`. */
export function writeNewFile(path: string, content: string, mode: number): boolean {
  return place(path, content, mode, (partial) => {
    try {
      linkSync(partial, path);
      return true;
    } catch (fault) {
      if ((fault as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw fault;
    }
  });
}

/** Replaces a file in one step. Throws `DISK_FULL`; the old content stays then. */
export function replaceFile(path: string, content: string, mode: number): void {
  place(path, content, mode, (partial) => renameSync(partial, path));
}

function place<T>(path: string, content: string, mode: number, finish: (partial: string) => T): T {
  const partial = `${path}.${randomBytes(6).toString('hex')}.partial`;
  try {
    const file = openSync(partial, 'wx', mode);
    try {
      writeSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    return finish(partial);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new CeliumError('DISK_FULL', `${path} could not be written: its disk is full`, { cause: fault });
    }
    throw fault;
  } finally {
    rmSync(partial, { force: true });
  }
}
