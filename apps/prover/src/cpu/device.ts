/** The CPU device: the proof's kernels in WASM SIMD over one shared memory, on as many worker threads as there are cores. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { answerCount, type ChallengeSizes, DIGEST_BYTES, LEAF_BYTES, type StepKind } from '@celium/proof';
import { DeviceRefusal, type DigestSource } from '../device.ts';
import { type CpuLayout, layOutMemory } from './layout.ts';
import { type PairWork, reachPeer } from './pair.ts';
import { shareCells, type SharedMemory } from './shared-file.ts';
import type { WorkerReply, WorkerRequest } from './worker.ts';

const WASM_PAGE_BYTES = 65536;
const MAX_THREADS = 64;

interface Loaded {
  memory: WebAssembly.Memory;
  sizes: ChallengeSizes;
  layout: CpuLayout;
  bytes: Uint8Array<SharedArrayBuffer>;
  counter: Int32Array<SharedArrayBuffer>;
}

/** How the device is set up. `workerUrl` is a module that calls `serveWorker` when it is not the main thread. */
export interface CpuDeviceOptions {
  workerUrl: URL;
  /** Worker threads; the number of usable cores by default. */
  threads?: number;
}

/** The number of worker threads that the device takes by default. */
export function defaultThreads(): number {
  return Math.min(availableParallelism(), MAX_THREADS);
}

/** A source of digests on the CPU. Threads start at the first fill and end with `close`. */
export function cpuDigests({ workerUrl, threads = defaultThreads() }: CpuDeviceOptions): DigestSource {
  let workers: Worker[] = [];
  let loaded: Loaded | null = null;
  let pair: PairWork | null = null;
  const shared: SharedMemory[] = [];

  /** Gives every thread the same request and waits for all; the pieces of the task start at 0. */
  async function everyThread(requests: (thread: number) => WorkerRequest): Promise<void> {
    await Promise.all(workers.map((worker, thread) => ask(worker, requests(thread))));
  }

  async function runTask(state: Loaded, request: WorkerRequest): Promise<void> {
    Atomics.store(state.counter, 0, 0);
    await everyThread(() => request);
  }

  return {
    name: 'cpu',
    async fill(sizes, seed) {
      const layout = layOutMemory(sizes, threads);
      const memory = shareMemory(layout.totalBytes);
      const buffer = memory.buffer as unknown as SharedArrayBuffer;
      const bytes = new Uint8Array(buffer);
      loaded = { memory, sizes, layout, bytes, counter: new Int32Array(buffer, layout.taskCounter, 1) };
      bytes.set(seed, layout.seed);
      if (workers.length === 0) workers = Array.from({ length: threads }, () => new Worker(workerUrl));
      await everyThread((thread) => ({ task: 'set-up', memory, sizes, layout, thread }));
      await runTask(loaded, { task: 'fill' });
    },
    async digests(kind: StepKind, q) {
      if (loaded === null) throw new Error('no memory was filled');
      const { bytes, layout, sizes } = loaded;
      for (let copy = 0; copy < 4; copy++) bytes.set(q, layout.keys + copy * q.length);
      if (kind === 'sweep' || kind === 'walk') {
        await runTask(loaded, { task: kind });
      } else {
        await runTask(loaded, { task: 'expand', kind });
        await runTask(loaded, { task: 'tiles', kind });
      }
      const out = new Uint8Array(answerCount(sizes, kind) * DIGEST_BYTES);
      out.set(bytes.subarray(layout.digests, layout.digests + out.length));
      return out;
    },
    pairs: {
      async share(token) {
        if (loaded === null) throw new Error('no memory was filled');
        const { bytes, layout, sizes } = loaded;
        const cells = bytes.subarray(layout.cells, layout.cells + sizes.memoryLeaves * LEAF_BYTES);
        shared.push(shareCells(token, cells));
      },
      async reach(peer) {
        if (loaded === null) throw new Error('no memory was filled');
        pair?.close();
        pair = reachPeer(loaded, peer);
      },
      async runStep(q) {
        if (pair === null) throw new Error('no peer was reached');
        return pair.digests(q);
      },
    },
    async close() {
      pair?.close();
      pair = null;
      for (const one of shared.splice(0)) one.remove();
      const ending = workers;
      workers = [];
      loaded = null;
      await Promise.all(ending.map((worker) => worker.terminate()));
    },
  };
}

function shareMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new DeviceRefusal('out-of-memory', `no ${bytes} bytes of memory could be had`, { cause: error });
  }
}

/** One request to one thread. A thread that dies or reports a fault rejects. */
function ask(worker: Worker, request: WorkerRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const onMessage = (reply: WorkerReply): void => {
      done();
      if (reply.ok) resolve();
      else reject(new Error(`a worker thread failed: ${reply.message}`));
    };
    const onError = (error: unknown): void => {
      done();
      reject(new Error('a worker thread broke', { cause: error }));
    };
    const onExit = (): void => {
      done();
      reject(new Error('a worker thread ended'));
    };
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.postMessage(request);
  });
}
