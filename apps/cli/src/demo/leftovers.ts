/** Clears up after a demo that was killed: its programs, its containers, its folder. Another demo that runs is left alone. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCliProcess, isRunning } from '../programs/alive.ts';
import { forgetState, LOGS_FOLDER } from './forget.ts';
import { programEntry, type ProgramName } from '../programs/entries.ts';
import { removeTraces } from '../engine/traces.ts';

/** In a demo's folder while it runs. */
export const LEFTOVER_FILE = 'demo.json';

/** What a demo notes of itself while it runs. */
export interface DemoRecord {
  /** Of the CLI. */
  pid: number;
  programs: Array<{ name: ProgramName; pid: number }>;
  machineKey: string | null;
  socket: string | null;
}

const END_GRACE_MS = 5_000;
const LOGS_KEPT_MS = 24 * 3_600_000;
const MAX_FOLDERS = 100;

/** Clears up below `demosFolder`. Answers how many demos were found dead. Never throws: a demo must start all the same. */
export async function clearLeftovers(demosFolder: string): Promise<number> {
  let folders: string[];
  try {
    folders = readdirSync(demosFolder).slice(0, MAX_FOLDERS);
  } catch {
    return 0;
  }
  let cleared = 0;
  for (const name of folders) {
    const folder = join(demosFolder, name);
    const record = readRecord(folder);
    if (record === null) forgetOldLogs(folder);
    if (record === null || isCliProcess(record.pid)) continue;
    await clearOne(folder, record).catch(() => {});
    cleared += 1;
  }
  return cleared;
}

/** Ends the programs of a dead demo in this folder, if there is one; its state stays. */
export async function endLeftoverPrograms(folder: string): Promise<void> {
  const record = readRecord(folder);
  if (record === null || isCliProcess(record.pid)) return;
  await endPrograms(record);
}

/** The pid of a demo that runs in this folder, or null. */
export function runningDemo(folder: string): number | null {
  const record = readRecord(folder);
  return record !== null && record.pid !== process.pid && isCliProcess(record.pid) ? record.pid : null;
}

/** A demo that failed leaves its logs; after a day nobody looks for them any more. What was kept on purpose holds more than logs. */
function forgetOldLogs(folder: string): void {
  try {
    const onlyLogs = readdirSync(folder).every((name) => name === LOGS_FOLDER);
    if (onlyLogs && Date.now() - statSync(folder).mtimeMs > LOGS_KEPT_MS) forgetState(folder);
  } catch {
    // Another demo that starts now may have removed it.
  }
}

async function clearOne(folder: string, record: DemoRecord): Promise<void> {
  await endPrograms(record);
  if (record.socket !== null && record.machineKey !== null) await removeTraces(record.socket, record.machineKey);
  forgetState(folder);
}

async function endPrograms(record: DemoRecord): Promise<void> {
  const alive = record.programs.filter(({ name, pid }) => isRunning(pid, programEntry(name)));
  for (const { pid } of alive) process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + END_GRACE_MS;
  while (performance.now() < deadline && alive.some(({ name, pid }) => isRunning(pid, programEntry(name))))
    await sleep(100);
  for (const { name, pid } of alive) if (isRunning(pid, programEntry(name))) process.kill(pid, 'SIGKILL');
}

function readRecord(folder: string): DemoRecord | null {
  try {
    const record = JSON.parse(readFileSync(join(folder, LEFTOVER_FILE), 'utf8')) as Partial<DemoRecord>;
    if (typeof record.pid !== 'number' || !Array.isArray(record.programs)) return null;
    return {
      pid: record.pid,
      programs: record.programs,
      machineKey: record.machineKey ?? null,
      socket: record.socket ?? null,
    };
  } catch {
    return null;
  }
}
