/** What the state keeps across crashes, and what it says when the disk is full or another process has it. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { replayLog } from '@celium/chain';
import { CeliumError, type Receipt } from '@celium/contract';
import { afterEach, expect, test } from 'vitest';
import { checkMachine } from '../check/check-machine.ts';
import { openCheckBench, type CheckBench } from '../testing/check-bench.ts';
import { openDatabase } from './database.ts';

const run = promisify(execFile);
const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function open(options: Parameters<typeof openCheckBench>[0] = {}): CheckBench {
  const bench = openCheckBench(options);
  closers.push(() => bench.close());
  return bench;
}

async function receiptOf(bench: CheckBench): Promise<Receipt> {
  const signal = new AbortController().signal;
  const report = await checkMachine(bench.ports, bench.known, bench.known.machine.units, signal);
  if (report.kind !== 'checked') throw new Error(report.message);
  return report.units[0]!.receipt.body;
}

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'it went through';
  } catch (fault) {
    return fault instanceof CeliumError ? fault.code : String(fault);
  }
}

/** A tiny filesystem in memory, unmounted after the test; needs root. */
async function tinyDisk(kilobytes: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'celium-tiny-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder]);
  closers.push(async () => {
    await run('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

test('the state belongs to one process at a time', () => {
  const bench = open();
  expect(codeOf(() => openDatabase(bench.folder))).toBe('STATE_LOCKED');
});

test('a full disk is named at the start', async () => {
  const folder = await tinyDisk(16);
  expect(codeOf(() => openDatabase(join(folder, 'state')))).toBe('DISK_FULL');
});

test('a disk that fills up during a check leaves no unit leased and no half receipt', async () => {
  const folder = await tinyDisk(1_024);
  const bench = open({
    folder,
    shells: { onShell: () => fill(join(folder, 'ballast')) },
  });
  await expect(receiptOf(bench)).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(bench.agent.leasedUnits()).toEqual([]);
  rmSync(join(folder, 'ballast'), { force: true });
  const { receipts } = bench.ports;
  expect(receipts.counts().receipts).toBe(receipts.logPosition().height);
  expect(replayLog(receipts.logEntries(1, 10)).ok).toBe(true);
});

/** Takes all the space there is. */
function fill(file: string): void {
  for (let size = 1_048_576; size >= 512; size /= 2) {
    for (;;) {
      try {
        writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
      } catch {
        break;
      }
    }
  }
}

test('the newest transcript of a unit is kept, and so is every failure; older passes only as a sample', async () => {
  const bench = open();
  const first = await receiptOf(bench);
  const honest = bench.ports.shells;
  bench.ports.shells = open({ shells: { cheat: 'skip' } }).ports.shells;
  const failed = await receiptOf(bench);
  bench.ports.shells = honest;
  const last = await receiptOf(bench);
  const kept = (receipt: Receipt): boolean => bench.ports.transcripts.read(receipt.transcriptHash) !== null;
  expect(kept(failed)).toBe(true);
  expect(kept(last)).toBe(true);
  expect(kept(first)).toBe(first.transcriptHash.startsWith('0'));
});

test('receipts older than a week are forgotten once their transcript is; failures, the newest and the log stay', async () => {
  const bench = open();
  const first = await receiptOf(bench);
  const second = await receiptOf(bench);
  const { receipts } = bench.ports;
  bench.database.prepare(`UPDATE receipts SET transcript_kept = 0 WHERE receipt_id = ?`).run(first.receiptId);
  expect(receipts.prune(first.endedAtMs, 10)).toBe(0);
  expect(receipts.prune(second.endedAtMs + 1, 10)).toBe(1);
  expect(receipts.newest(10).map((receipt) => receipt.body.receiptId)).toEqual([second.receiptId]);
  expect(receipts.logEntries(1, 10)).toHaveLength(2);
});
