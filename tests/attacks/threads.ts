/** Tries on worker threads: a module's trial function is called for slices of the try numbers, and the tallies are added up. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { addTallies, emptyTally, type Tally } from './family.ts';

/** Tries `from` to `to` (exclusive) of one attack; `seed` and the number of a try decide everything random in it. */
export interface TrialSlice {
  attack: string;
  from: number;
  to: number;
  seed: number;
}

/** What a trial module exports as `runTries`. */
export type RunTries = (slice: TrialSlice) => Promise<Tally>;

/** Threads that run trials. */
export interface TrialThreads {
  /** `module` exports `runTries`. Rejects when a thread fails. */
  run(module: URL, attack: string, tries: number, seed: number): Promise<Tally>;
  close(): Promise<void>;
}

/** What goes to a thread, and what comes back. */
export type ThreadRequest = { module: string; slice: TrialSlice };
export type ThreadReply = { ok: true; tally: Tally } | { ok: false; message: string };

/** Slices per thread and run: small enough that no thread waits long for the last. */
const SLICES_PER_THREAD = 8;

/** Opens `count` threads, as many as there are cores by default. After `signal` no more tries are begun, and `run` rejects. */
export function openThreads(signal: AbortSignal, count: number = availableParallelism()): TrialThreads {
  const workers = Array.from({ length: count }, () => new Worker(new URL('./thread.ts', import.meta.url)));
  return {
    async run(module, attack, tries, seed) {
      const size = Math.max(1, Math.ceil(tries / (count * SLICES_PER_THREAD)));
      let next = 0;
      let sum = emptyTally();
      const serve = async (worker: Worker): Promise<void> => {
        while (next < tries) {
          signal.throwIfAborted();
          const from = next;
          next = Math.min(tries, from + size);
          const tally = await ask(worker, { module: module.href, slice: { attack, from, to: next, seed } });
          sum = addTallies(sum, tally);
        }
      };
      // All threads are idle before anything else is asked of them, also after a failure of one.
      const served = await Promise.allSettled(workers.map(serve));
      for (const end of served) if (end.status === 'rejected') throw end.reason;
      return sum;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function ask(worker: Worker, request: ThreadRequest): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
    };
    const onMessage = (reply: ThreadReply): void => {
      done();
      if (reply.ok) resolve(reply.tally);
      else reject(new Error(`tries of ${request.slice.attack} failed: ${reply.message}`));
    };
    const onError = (cause: unknown): void => {
      done();
      reject(new Error(`a thread broke in tries of ${request.slice.attack}`, { cause }));
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.postMessage(request);
  });
}
