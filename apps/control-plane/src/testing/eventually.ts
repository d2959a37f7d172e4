/** Waits for what other processes and sockets bring about: asks again until it is so, for up to 15 s on a busy machine. */
import { expect } from 'vitest';

const PATIENCE_MS = 15_000;

/** `await eventually(() => ...).toBe(...)`: as `expect.poll`. */
export function eventually<Value>(read: () => Value | Promise<Value>): ReturnType<typeof expect.poll<Value>> {
  return expect.poll(read, { timeout: PATIENCE_MS, interval: 20 });
}
