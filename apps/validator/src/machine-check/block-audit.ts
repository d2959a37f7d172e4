/** Recomputes what a disk answered, on a thread of its own: the event loop that reads the clock makes no blocks. */

import { Worker } from 'node:worker_threads';
import type { BlockReads } from './block-worker.ts';

const TIMEOUT_MS = 120_000;

/** Counts the wrong answers of walks, away from the timing event loop. */
export interface BlockAuditor {
  countWrong(reads: BlockReads): Promise<{ wrong: number[]; cpuSeconds: number }>;
}

/** Audits one after another, each on a fresh thread. */
export function createBlockAuditor(): BlockAuditor {
  let last: Promise<unknown> = Promise.resolve();
  return {
    countWrong(reads) {
      const next = last.then(
        () => runWorker(reads),
        () => runWorker(reads),
      );
      last = next;
      return next;
    },
  };
}

function runWorker(reads: BlockReads): Promise<{ wrong: number[]; cpuSeconds: number }> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./block-worker.ts', import.meta.url), { workerData: reads });
    const timer = setTimeout(() => stop(new Error('recomputing disk blocks took too long')), TIMEOUT_MS);
    const stop = (fault: Error): void => {
      clearTimeout(timer);
      reject(fault);
      void worker.terminate();
    };
    worker.unref();
    worker.once('message', (answer: { wrong: number[]; cpuSeconds: number }) => {
      clearTimeout(timer);
      resolve(answer);
      void worker.terminate();
    });
    worker.once('error', (fault) => stop(fault instanceof Error ? fault : new Error(String(fault))));
    worker.once('exit', () => stop(new Error('the thread that recomputes disk blocks ended')));
  });
}
