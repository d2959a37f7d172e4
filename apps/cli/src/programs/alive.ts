/** Whether a process still is the one that it was: by its command line, since ids are given again. */

import { readFileSync } from 'node:fs';

/** True when a process of this id runs this entry file. */
export function isRunning(pid: number, entry: string): boolean {
  try {
    const parts = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return parts.some((part) => part.endsWith(entry));
  } catch {
    return false;
  }
}

/** True when a process of this id is a `celium`. */
export function isCliProcess(pid: number): boolean {
  return isRunning(pid, 'apps/cli/src/main.ts');
}
