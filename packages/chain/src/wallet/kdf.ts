/** Argon2i key derivation for wallet files, in a worker thread: it takes seconds and half a gigabyte, and must not block. */
import { Worker } from 'node:worker_threads';
import type * as SodiumModule from 'libsodium-wrappers-sumo';
import { utf8 } from '../keys/bytes.ts';

type Sodium = typeof SodiumModule.default;

/** libsodium, loaded when it is first needed: a megabyte of WASM that most programs never use. */
export async function loadSodium(): Promise<Sodium> {
  const { default: sodium } = await import('libsodium-wrappers-sumo');
  await sodium.ready;
  return sodium;
}

/** Argon2 costs: passes, and memory in bytes. */
export interface KdfLimits {
  readonly operations: number;
  readonly memoryBytes: number;
}

/** libsodium's "sensitive" costs for Argon2i 1.3, which btcli uses: 8 passes over 512 MiB. */
export const SENSITIVE: KdfLimits = { operations: 8, memoryBytes: 536_870_912 };

/**
 * How far a derivation is. `expectedMs` is extrapolated from a small derivation on this machine, so `fraction`
 * (0 to 0.99 until the end, then 1) is an estimate.
 */
export interface KdfProgress {
  readonly elapsedMs: number;
  readonly expectedMs: number;
  readonly fraction: number;
}

const REPORT_EVERY_MS = 200;
const CALIBRATION: KdfLimits = { operations: 3, memoryBytes: 4_194_304 };
/** A derivation of sensitive cost takes 4 to 8 s; a machine that needs this long has not enough memory. */
const TIMEOUT_MS = 180_000;

/** The 32-byte Argon2i 1.3 key of a password. Rejects when the worker dies (out of memory), is aborted, or after 3 minutes. */
export async function deriveArgon2iKey(
  password: string,
  salt: Uint8Array,
  limits: KdfLimits,
  options: { onProgress?: (progress: KdfProgress) => void; signal?: AbortSignal } = {},
): Promise<Uint8Array> {
  const expectedMs = Math.max(1, estimateMs(await loadSodium(), limits));
  const startedMs = performance.now();
  const report = (done: boolean): void => {
    const elapsedMs = performance.now() - startedMs;
    options.onProgress?.({ elapsedMs, expectedMs, fraction: done ? 1 : Math.min(0.99, elapsedMs / expectedMs) });
  };
  report(false);
  const timer = setInterval(() => report(false), REPORT_EVERY_MS);
  try {
    const key = await runWorker(utf8(password), salt, limits, options.signal);
    report(true);
    return key;
  } finally {
    clearInterval(timer);
  }
}

function runWorker(
  password: Uint8Array,
  salt: Uint8Array,
  limits: KdfLimits,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./kdf-worker.ts', import.meta.url), {
      workerData: { password, salt, limits },
    });
    const timeout = setTimeout(() => finish(new Error('key derivation took longer than three minutes')), TIMEOUT_MS);
    const abort = (): void => finish(new Error('key derivation was cancelled'));
    const finish = (result: Uint8Array | Error): void => {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', abort);
      void worker.terminate();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    worker.once('message', (key: Uint8Array) => finish(new Uint8Array(key)));
    worker.once('error', (cause) =>
      finish(new Error('key derivation failed: is there half a gigabyte of free memory?', { cause })),
    );
    worker.once('exit', () => finish(new Error('key derivation ended without a key')));
  });
}

function estimateMs(sodium: Sodium, limits: KdfLimits): number {
  const startedMs = performance.now();
  sodium.crypto_pwhash(
    32,
    utf8('calibration'),
    new Uint8Array(16),
    CALIBRATION.operations,
    CALIBRATION.memoryBytes,
    sodium.crypto_pwhash_ALG_ARGON2I13,
  );
  const work = (cost: KdfLimits): number => cost.operations * cost.memoryBytes;
  return ((performance.now() - startedMs) * work(limits)) / work(CALIBRATION);
}
