/** One validator, 5,000 machines, a simulated day: what is due is checked once and in its interval, never too many at a time, and nothing grows. */

import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { CheckReport } from './check/check-machine.ts';
import type { KnownMachine } from './discovery/manifest-directory.ts';
import { Scheduler, type SchedulerPorts } from './scheduler.ts';
import { ReceiptBook } from './state/receipt-book.ts';
import { Visits } from './state/visits.ts';
import { SCHEMA } from './state/database.ts';
import { LocalAgent } from './testing/local-agent.ts';
import { VirtualTime } from './testing/virtual-time.ts';

const MACHINES = 5_000;
const PARALLEL = 128;
const CHECK_MS = 16_000;
const TURN_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
const MINUTE = 60_000;

/** Machines that differ in their key only. */
function machinesOf(time: VirtualTime): KnownMachine[] {
  const { machine } = new LocalAgent({ nowMs: time.unixMs });
  return Array.from({ length: MACHINES }, (_, index) => ({
    hotkey: 'provider',
    hotkeyHex: '',
    machine: { ...machine, machineKey: index.toString(16).padStart(64, '0') },
  }));
}

test('in a day each of 5,000 machines is checked every 60 to 120 minutes, 128 at a time at most, and what is held in memory stays', async () => {
  const time = new VirtualTime();
  const database = new DatabaseSync(':memory:');
  database.exec(SCHEMA);
  const machines = machinesOf(time);
  const insert = database.prepare(
    `INSERT INTO receipts (receipt_id, machine_key, hotkey, unit, verdict, ended_at_ms, receipt, grant, transcript_hash)
     VALUES (?, ?, 'provider', ?, 'pass', ?, '{}', '{}', '')`,
  );
  const starts = new Map<string, number[]>();
  let running = 0;
  let most = 0;
  let checks = 0;
  /** A check that takes its time and passes. */
  const checkOne = async (known: KnownMachine): Promise<CheckReport> => {
    const { machineKey, units } = known.machine;
    const made = starts.get(machineKey) ?? [];
    starts.set(machineKey, made);
    running += 1;
    most = Math.max(most, running);
    await new Promise<void>((resolve) => void time.setTimer(CHECK_MS, resolve));
    running -= 1;
    made.push(time.nowMs());
    checks += 1;
    insert.run(String(checks), machineKey, units[0]!, time.unixMs());
    return { kind: 'checked', units: [] };
  };
  let word = 1;
  const ports: SchedulerPorts = {
    clock: time,
    receipts: new ReceiptBook(database),
    visits: new Visits(database),
    directory: { machines: () => machines },
    randomBytes: () => Uint8Array.of((word = (word * 73 + 11) % 256)),
    intervals: { recheckMs: 90 * MINUTE, retryMs: 5 * MINUTE },
    parallel: PARALLEL,
    assignmentOf: () => ({ place: 0, sinceMs: 0 }),
    barrier: () => null,
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => 0,
    report: () => {},
  };
  const scheduler = new Scheduler(ports, checkOne);
  const signal = new AbortController().signal;
  const turn = (): void => {
    scheduler.startDue(signal);
    time.setTimer(TURN_MS, turn);
  };
  turn();
  await time.run(() => time.nowMs() >= DAY_MS);

  expect(most).toBe(PARALLEL);
  expect(starts.size).toBe(MACHINES);
  expect(scheduler.retained().machines).toBe(MACHINES);
  const gaps = [...starts.values()].flatMap((ends) => ends.slice(1).map((end, index) => end - ends[index]!));
  expect(gaps.every((gap) => gap >= 60 * MINUTE && gap <= 120 * MINUTE + CHECK_MS + 2 * TURN_MS)).toBe(true);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  expect(Math.abs(mean - 90 * MINUTE)).toBeLessThan(3 * MINUTE);
  expect(database.prepare('SELECT count(*) AS n FROM visits').get()).toEqual({ n: 0 });
}, 120_000);
