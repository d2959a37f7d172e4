/** How one CPU prover of a pod reaches the memory of another: a file with the cells, in shared memory where there is room, else in the folder for temporary files. */
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LEAF_BYTES } from '@celium/proof';
import { DeviceRefusal } from '../device.ts';

/** Where such a file may lie; the first that takes it does. */
const FOLDERS = ['/dev/shm', tmpdir()];
const WRITE_BYTES = 1024 * 1024;

const nameOf = (folder: string, token: string): string => join(folder, `celium-pair-${token}`);

/** Cells that another prover may read. */
export interface SharedMemory {
  remove(): void;
}

/** Writes the cells where whoever knows the token finds them, readable for this user only. Throws a DeviceRefusal where no folder takes them. */
export function shareCells(token: string, cells: Uint8Array, folders: readonly string[] = FOLDERS): SharedMemory {
  let why: unknown;
  for (const folder of folders) {
    const file = nameOf(folder, token);
    const remove = (): void => {
      process.off('exit', remove);
      removeFile(file);
    };
    try {
      const descriptor = openSync(file, 'wx', 0o600);
      // The program may be ended in the middle of a session.
      process.once('exit', remove);
      try {
        writeCells(descriptor, cells);
      } finally {
        closeSync(descriptor);
      }
      return { remove };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') remove();
      why = error;
    }
  }
  throw new DeviceRefusal('no-peer', 'no folder takes the memory that is to be shared', { cause: why });
}

/** Piece by piece through a buffer of its own: files are not written from memory that threads share. */
function writeCells(descriptor: number, cells: Uint8Array): void {
  for (let at = 0; at < cells.length; at += WRITE_BYTES) {
    const piece = Uint8Array.from(cells.subarray(at, at + WRITE_BYTES));
    for (let done = 0; done < piece.length;) done += writeSync(descriptor, piece, done);
  }
}

function removeFile(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // The other prover has removed it already.
  }
}

/** Cells of another prover. */
export interface ReachedMemory {
  /** Reads one leaf into 16 KiB. */
  read(leaf: number, into: Uint8Array): void;
  close(): void;
}

/** Opens the cells that were shared under a token, and takes their name away. Throws a DeviceRefusal where they are not, or are not so many. */
export function reachCells(token: string, leaves: number, folders: readonly string[] = FOLDERS): ReachedMemory {
  const descriptor = openShared(token, folders);
  if (fstatSync(descriptor).size !== leaves * LEAF_BYTES) {
    closeSync(descriptor);
    throw new DeviceRefusal('no-peer', `the memory that is shared has not ${leaves} leaves`);
  }
  return {
    read(leaf, into) {
      if (readSync(descriptor, into, 0, LEAF_BYTES, leaf * LEAF_BYTES) !== LEAF_BYTES) throw new Error('a short read');
    },
    close: () => closeSync(descriptor),
  };
}

function openShared(token: string, folders: readonly string[]): number {
  let why: unknown;
  for (const folder of folders) {
    try {
      const descriptor = openSync(nameOf(folder, token), 'r');
      removeFile(nameOf(folder, token));
      return descriptor;
    } catch (error) {
      why = error;
    }
  }
  throw new DeviceRefusal('no-peer', 'no memory is shared under this token', { cause: why });
}
