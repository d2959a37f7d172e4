/** The disk of a pod in a machine check: blocks made on all cores, written to one file, read back past the page cache. */
import { closeSync, constants, fsyncSync, openSync, read as readCallback, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DISK_BLOCK_BYTES, DISK_BLOCKS_AT_ONCE } from '@celium/proof';
import type { DiskReply, DiskTask } from './disk-worker.ts';

const read = promisify(readCallback);
const MAX_THREADS = 256;

/** What a session needs of a disk; a dishonest one stands in for it in tests. */
export interface PodDisk {
  /** Writes blocks 0 .. `blocks` - 1, as many as go within the time, and says how many are there. */
  write(task: { key: Uint8Array; blocks: number; passes: number; limitMs: number }): Promise<Written>;
  /** One block that was written. Rejects when it cannot be read. */
  read(block: number): Promise<Uint8Array>;
  close(): void;
}

export interface Written {
  blocks: number;
  full: boolean;
}

/** A disk in the file `path`, which is removed at the end. `workerUrl` is a module that calls `serveDiskWorker` in a thread named `disk`. */
export function fileDisk(path: string, workerUrl: URL): PodDisk {
  // Memory of WebAssembly begins at a page, which reading past the page cache asks for.
  const page = new Uint8Array(new WebAssembly.Memory({ initial: DISK_BLOCK_BYTES / 65_536 }).buffer);
  let file: number | null = null;
  return {
    async write(task) {
      closeSync(openSync(path, 'w', 0o600));
      const counter = new Int32Array(new SharedArrayBuffer(4));
      const untilMs = Date.now() + task.limitMs;
      const pieces = Math.ceil(task.blocks / DISK_BLOCKS_AT_ONCE);
      const threads = Math.min(availableParallelism(), MAX_THREADS, pieces);
      const replies = await Promise.all(
        Array.from({ length: threads }, () =>
          runWorker(workerUrl, { path, key: task.key, blocks: task.blocks, passes: task.passes, untilMs, counter }),
        ),
      );
      const failedAt = Math.min(...replies.map((reply) => reply.failedAtPiece ?? Infinity));
      const taken = Math.min(Atomics.load(counter, 0), pieces, failedAt);
      const whole = openSync(path, 'r+');
      fsyncSync(whole);
      closeSync(whole);
      file = openForReading(path);
      return { blocks: Math.min(taken * DISK_BLOCKS_AT_ONCE, task.blocks), full: failedAt !== Infinity };
    },
    async read(block) {
      if (file === null) throw new Error('nothing was written');
      const { bytesRead } = await read(file, page, 0, DISK_BLOCK_BYTES, block * DISK_BLOCK_BYTES);
      if (bytesRead !== DISK_BLOCK_BYTES) throw new Error(`block ${block} is not there`);
      return page;
    },
    close() {
      if (file !== null) closeSync(file);
      file = null;
      rmSync(path, { force: true });
    },
  };
}

/** Past the page cache where the filesystem can; else as usual. Nobody believes which it was. */
function openForReading(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch {
    return openSync(path, constants.O_RDONLY);
  }
}

function runWorker(workerUrl: URL, task: DiskTask): Promise<DiskReply> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(workerUrl, { workerData: { kind: 'disk', task } });
    worker.once('message', (reply: DiskReply) => {
      resolve(reply);
      void worker.terminate();
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('a disk thread ended')));
  });
}
