/** One thread that makes disk blocks and writes them: takes pieces of four from a shared counter until none is left or the time is over. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { createBlockMaker, DISK_BLOCK_BYTES, DISK_BLOCKS_AT_ONCE } from '@celium/proof';

/** What one thread is told. */
export interface DiskTask {
  path: string;
  key: Uint8Array;
  blocks: number;
  passes: number;
  /** Unix milliseconds. */
  untilMs: number;
  /** The next piece, shared by all threads. */
  counter: Int32Array;
}

/** The first piece that the disk did not take, if any: whatever was taken before it is there. */
export interface DiskReply {
  failedAtPiece: number | null;
}

/** True in a thread that was started for a disk. */
export function isDiskWorker(): boolean {
  return (workerData as { kind?: unknown } | null)?.kind === 'disk';
}

/** Does its task, answers, and ends. */
export function serveDiskWorker(): void {
  const { task } = workerData as { task: DiskTask };
  parentPort?.postMessage(writePieces(task));
}

function writePieces({ path, key, blocks, passes, untilMs, counter }: DiskTask): DiskReply {
  const make = createBlockMaker();
  const file = openSync(path, 'r+');
  try {
    while (Date.now() < untilMs) {
      const piece = Atomics.add(counter, 0, 1);
      const first = piece * DISK_BLOCKS_AT_ONCE;
      if (first >= blocks) break;
      const numbers = Array.from({ length: DISK_BLOCKS_AT_ONCE }, (_, lane) => first + lane);
      const bytes = make(key, numbers, passes);
      const wanted = Math.min(DISK_BLOCKS_AT_ONCE, blocks - first) * DISK_BLOCK_BYTES;
      if (!writeWhole(file, bytes.subarray(0, wanted), first * DISK_BLOCK_BYTES)) return { failedAtPiece: piece };
    }
    return { failedAtPiece: null };
  } finally {
    closeSync(file);
  }
}

function writeWhole(file: number, bytes: Uint8Array, position: number): boolean {
  try {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
    return true;
  } catch {
    return false;
  }
}
