/** The worker thread of `kdf.ts`: derives one key from `workerData` and posts it. */
import { parentPort, workerData } from 'node:worker_threads';
import sodium from 'libsodium-wrappers-sumo';

const { password, salt, limits } = workerData as {
  password: Uint8Array;
  salt: Uint8Array;
  limits: { operations: number; memoryBytes: number };
};

await sodium.ready;
parentPort?.postMessage(
  sodium.crypto_pwhash(32, password, salt, limits.operations, limits.memoryBytes, sodium.crypto_pwhash_ALG_ARGON2I13),
);
