/** A machine's published log brings a check after a release, and a stand-in to a machine that nobody checks; a log that lies costs little. */

import { expect, test } from 'vitest';
import type { LogPage } from '../network/agent-log.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import { MachineLogs } from './machine-logs.ts';

/** One machine with a log that grows, and a reader that counts what it is asked for. */
function follow(options: { isLeased?: boolean } = {}) {
  const time = new VirtualTime();
  const agent = new LocalAgent({ nowMs: time.unixMs });
  const key = agent.machine.machineKey;
  const state = { entries: [] as LogPage['entries'], down: false, reads: 0, concerned: true };
  const logs = new MachineLogs({
    clock: time,
    directory: { machines: () => [{ hotkey: '', hotkeyHex: '', machine: agent.machine }] },
    readLog: async (_agent, from) => {
      state.reads += 1;
      if (state.down) return null;
      return { height: state.entries.length, entries: state.entries.filter(({ seq }) => seq >= from).slice(0, 1_000) };
    },
    concerns: () => state.concerned,
    isLeased: () => options.isLeased ?? false,
  });
  const note = (kind: string, leaseId: string, leaseKind?: string): void => {
    state.entries.push({ seq: state.entries.length + 1, kind, body: { leaseId, kind: leaseKind } });
  };
  const later = async (delayMs: number): Promise<void> => {
    const untilMs = time.nowMs() + delayMs;
    time.setTimer(delayMs, () => {});
    await time.run(() => time.nowMs() >= untilMs);
    await logs.run(new AbortController().signal);
  };
  return { time, logs, key, note, later, state };
}

test('a lease that ended while we follow makes a check due; what ended before we came does not', async () => {
  const { time, logs, key, note, later } = follow();
  note('grant', 'old', 'paid');
  note('lease-ended', 'old');
  note('grant', 'now', 'paid');
  await later(0);
  expect(logs.releaseDueAtMs(key, 0)).toBeNull();
  note('lease-ended', 'now');
  await later(300_000);
  expect(logs.releaseDueAtMs(key, 0)).toBe(time.unixMs());
  expect(logs.releaseDueAtMs(key, 1)).toBe(time.unixMs() + 300_000);
  note('grant', 'check', 'verification');
  await later(300_000);
  expect(logs.releaseDueAtMs(key, 1)).toBeNull();
});

test('a leased machine’s log is read every minute, an idle one’s every five, and none that is not ours', async () => {
  const idle = follow();
  const leased = follow({ isLeased: true });
  for (let minute = 0; minute <= 10; minute += 1) {
    await idle.later(60_000);
    await leased.later(60_000);
  }
  // The first look takes two: how long the log is, then its end.
  expect([idle.state.reads, leased.state.reads]).toEqual([4, 12]);
  idle.state.concerned = false;
  await idle.later(600_000);
  expect([idle.state.reads, idle.logs.size]).toEqual([4, 0]);
});

test('a machine is unchecked only if its log was read and shows no check', async () => {
  const { logs, key, note, later, state } = follow();
  state.down = true;
  await later(0);
  expect(logs.isUnchecked(key)).toBe(false);
  state.down = false;
  await later(300_000);
  expect(logs.isUnchecked(key)).toBe(true);
  note('grant', 'check', 'verification');
  await later(300_000);
  expect(logs.isUnchecked(key)).toBe(false);
});

test('a log that was cut is read anew, and entries out of order are not read at all', async () => {
  const { logs, key, note, later, state } = follow();
  for (let entry = 0; entry < 5; entry += 1) note('grant', `p${entry}`, 'paid');
  await later(0);
  state.entries.length = 1;
  await later(300_000);
  state.entries.push({ seq: 9, kind: 'lease-ended', body: null });
  await later(300_000);
  expect(logs.releaseDueAtMs(key, 0)).toBeNull();
});
