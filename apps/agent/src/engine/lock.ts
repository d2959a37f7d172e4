/** A lock between processes that the kernel drops when its holder dies: an exclusive transaction on a tiny SQLite file. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;

/** Runs `work` while holding the lock file; waits at most `timeoutMs` for another holder, then throws. */
export async function withFileLock<T>(path: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true });
  const deadlineMs = performance.now() + timeoutMs;
  const database = new DatabaseSync(path);
  try {
    for (;;) {
      try {
        database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
        break;
      } catch (fault) {
        if (!/locked|busy/i.test(fault instanceof Error ? fault.message : '')) throw fault;
        if (performance.now() > deadlineMs) {
          throw new Error(`another process has held ${path} for more than ${Math.round(timeoutMs / 1000)} s`, {
            cause: fault,
          });
        }
        await sleep(POLL_MS);
      }
    }
    return await work();
  } finally {
    database.close();
  }
}
