/** Locks between processes that the kernel drops when their holder dies: an exclusive transaction on a tiny SQLite file. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/** A held lock; released by `release()` or by the end of the process. */
export type HeldLock = { release(): void };

/** Takes the lock, or returns undefined at once when another process holds it. */
export function takeLock(path: string): HeldLock | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
  } catch (fault) {
    database.close();
    if (/locked|busy/i.test(fault instanceof Error ? fault.message : '')) return undefined;
    throw fault;
  }
  let held = true;
  return {
    release: () => {
      if (held) database.close();
      held = false;
    },
  };
}

/** Waits for the lock, at most `timeoutMs`, then throws. */
export async function holdLock(path: string, timeoutMs: number): Promise<HeldLock> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const lock = takeLock(path);
    if (lock) return lock;
    if (performance.now() > deadlineMs) {
      throw new Error(`another process has held ${path} for more than ${Math.round(timeoutMs / 1000)} s`);
    }
    await sleep(POLL_MS);
  }
}
