/** Which machines are visited: those that are due, a few at a time, and a busy one is noted and left in peace. */

import { afterEach, expect, test } from 'vitest';
import { checkMachine, type CheckPorts } from './check/check-machine.ts';
import { ManifestDirectory } from './discovery/manifest-directory.ts';
import { Scheduler, type SchedulerPorts } from './scheduler.ts';
import { Visits } from './state/visits.ts';
import { openCheckBench, type CheckBench } from './testing/check-bench.ts';
import { MARKET } from './testing/local-agent.ts';

const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));
const signal = new AbortController().signal;

async function schedule(
  options: Parameters<typeof openCheckBench>[0] = {},
  own: Partial<Pick<SchedulerPorts, 'assignmentOf' | 'checksAll' | 'auditBacklog' | 'logs'>> = {},
) {
  const bench: CheckBench = openCheckBench(options);
  closers.push(() => bench.close());
  const lines: Array<Record<string, unknown>> = [];
  const directory = new ManifestDirectory(bench.database);
  directory.take(await bench.agent.manifest(), { netuid: 51 }, 1);
  let passedMs = 0;
  const clock = { ...bench.ports.clock, unixMs: () => bench.ports.clock.unixMs() + passedMs };
  const ports: CheckPorts & SchedulerPorts = {
    ...bench.ports,
    clock,
    directory,
    visits: new Visits(bench.database),
    intervals: { recheckMs: 90 * 60_000, retryMs: 1_000 },
    parallel: 1,
    assignmentOf: () => ({ place: 0, sinceMs: 0 }),
    barrier: () => null,
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => 0,
    ...own,
    report: (line) => void lines.push(line),
  };
  const scheduler = new Scheduler(ports, (known, units, stop, start) => checkMachine(ports, known, units, stop, start));
  const turn = async (laterMs = 0): Promise<unknown[]> => {
    passedMs += laterMs;
    const before = lines.length;
    scheduler.startDue(signal);
    await scheduler.settle();
    return lines.slice(before).map((line) => line['verdict']);
  };
  return { bench, scheduler, lines, turn, ports };
}

test('a new machine is checked at once, and then only when its interval is over', async () => {
  const { turn, scheduler, lines } = await schedule();
  expect(await turn()).toEqual(['pass']);
  expect(await turn(60_000)).toEqual([]);
  expect(await turn(121 * 60_000)).toEqual(['pass']);
  expect(lines[0]).toMatchObject({ event: 'check', class: 'CPU', onboarding: true, reason: { code: 'OK' } });
  expect(lines[1]).toMatchObject({ onboarding: false });
  expect(scheduler.describe()).toMatchObject([{ machineId: 'box', checking: false, lastVisit: null }]);
});

test('the status page says between which moments a check comes, 60 to 120 minutes on, and not when', async () => {
  const { turn, scheduler, ports, bench } = await schedule();
  await turn();
  await turn();
  const [machine] = scheduler.describe();
  const endedAtMs = ports.receipts.verdicts(bench.known.machine.machineKey, 1)[0]!.endedAtMs;
  const nextCheck = { fromMs: endedAtMs + 60 * 60_000, untilMs: endedAtMs + 120 * 60_000 };
  expect(machine).toMatchObject({ assigned: true, place: 0, nextCheck });
});

test('a failed check is repeated soon', async () => {
  const { turn } = await schedule({ shells: { cheat: 'leave' } });
  expect(await turn()).toEqual(['fail']);
  expect(await turn(1_000)).toEqual(['fail']);
});

test('a busy machine is noted with its reason, and visited again after a pause', async () => {
  const { bench, turn, lines, scheduler } = await schedule();
  await bench.agent.leaseTo(MARKET, bench.known.machine.units);
  expect(await turn()).toEqual(['busy']);
  expect(lines[0]).toMatchObject({ reason: { code: 'UNITS_BUSY' } });
  expect(scheduler.describe()).toMatchObject([{ lastVisit: { outcome: 'busy' } }]);
  expect(await turn()).toEqual([]);
  bench.agent.leases.clear();
  expect(await turn(5_000)).toEqual(['pass']);
});

test('units that were busy are asked for later, without testing the others again', async () => {
  const units = ['GPU-00000001-aaaa', 'GPU-00000002-bbbb'];
  const { bench, turn, lines } = await schedule({ units });
  await bench.agent.leaseTo(MARKET, [units[0]!]);
  expect(await turn()).toEqual(['pass']);
  expect(lines[0]).toMatchObject({ unit: units[1], tested: 1, leased: 1 });
  bench.agent.leases.clear();
  expect(await turn(5_000)).toEqual(['pass']);
  expect(lines[1]).toMatchObject({ unit: units[0], tested: 1, leased: 0 });
});

test('a fault of our own is no verdict on the machine', async () => {
  const { bench, turn, lines } = await schedule();
  bench.ports.auditor.audit = () => Promise.reject(new Error('no thread'));
  expect(await turn()).toEqual(['void']);
  expect(lines[0]).toMatchObject({ reason: { code: 'INTERNAL', message: 'no thread' } });
  expect(bench.agent.leasedUnits()).toEqual([]);
});

test('checking everything once takes every machine, due or not', async () => {
  const { scheduler, turn, lines } = await schedule();
  await turn();
  expect(await scheduler.checkAllOnce(signal)).toBe(1);
  expect(lines).toHaveLength(2);
});

test('a machine that is assigned to others is left alone, unless the operator wants every machine checked', async () => {
  const elsewhere = { assignmentOf: () => ({ place: -1, sinceMs: 0 }) };
  const strict = await schedule({}, elsewhere);
  expect(await strict.turn()).toEqual([]);
  expect(strict.scheduler.describe()).toMatchObject([{ assigned: false, place: null, nextCheck: null }]);
  const eager = await schedule({}, { ...elsewhere, checksAll: true });
  expect(await eager.turn()).toEqual(['pass']);
});

test('the second of three validators comes to a new machine a minute and a half after the first', async () => {
  const { turn } = await schedule({}, { assignmentOf: () => ({ place: 1, sinceMs: 0 }) });
  expect(await turn()).toEqual([]);
  expect(await turn(89_000)).toEqual([]);
  expect(await turn(1_500)).toEqual(['pass']);
});

test('nothing new is started while as many audits wait as there are lanes', async () => {
  let backlog = 1;
  const { turn } = await schedule({}, { auditBacklog: () => backlog });
  expect(await turn()).toEqual([]);
  backlog = 0;
  expect(await turn()).toEqual(['pass']);
});

test('before a hand-over a machine is checked at once, due or not, assigned or not; a check that runs is waited for', async () => {
  const { scheduler, ports, lines, bench } = await schedule({}, { assignmentOf: () => ({ place: -1, sinceMs: 0 }) });
  const { machineKey, units } = bench.known.machine;
  const deadlineMs = ports.clock.unixMs() + 60_000;
  const both = [1, 2].map(() => scheduler.checkNow(machineKey, units, deadlineMs, signal));
  const [first, second] = await Promise.all(both);
  expect(first).toMatchObject({ kind: 'checked' });
  expect(second).toBe(first);
  expect(lines).toHaveLength(1);
});

test('a hand-over’s check is not begun after its deadline, and not for units that nobody lists', async () => {
  const { scheduler, ports, lines, bench } = await schedule();
  const { machineKey, units } = bench.known.machine;
  const over = await scheduler.checkNow(machineKey, units, ports.clock.unixMs() - 1, signal);
  expect(over).toMatchObject({ kind: 'given-up', code: 'TIMEOUT' });
  const unknown = await scheduler.checkNow(machineKey, ['cpu:other'], Infinity, signal);
  expect(unknown).toMatchObject({ kind: 'refused', code: 'UNITS_UNKNOWN' });
  expect(lines).toEqual([]);
});

test('after a release a machine is checked although its routine check is not due', async () => {
  let releaseDueAtMs: number | null = null;
  const logs = { releaseDueAtMs: () => releaseDueAtMs, isUnchecked: () => false };
  const { turn, ports } = await schedule({}, { logs });
  expect(await turn()).toEqual(['pass']);
  expect(await turn(600_000)).toEqual([]);
  releaseDueAtMs = ports.clock.unixMs();
  expect(await turn(1)).toEqual(['pass']);
  expect(await turn(1)).toEqual([]);
});

test('who is only drawn to stand in comes to a machine that nobody checks, in its turn, and to no other', async () => {
  let isUnchecked = false;
  const logs = { releaseDueAtMs: () => null, isUnchecked: () => isUnchecked };
  const { turn } = await schedule({}, { logs, assignmentOf: () => ({ place: 6, sinceMs: 0 }) });
  expect(await turn(600_000)).toEqual([]);
  isUnchecked = true;
  expect(await turn()).toEqual([]);
  expect(await turn(9 * 60_000 + 1)).toEqual(['pass']);
});
