/** A barrier of hundreds of machines: one second for all of them, and one device in two registrations fails there, and only there. */

import { afterEach, expect, test } from 'vitest';
import { openManyMachines, type ManyMachines } from '../testing/many-machines.ts';

const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));
const signal = new AbortController().signal;
const BARRIER_AFTER_MS = 200_000;

type Options = NonNullable<Parameters<typeof openManyMachines>[1]>;

/** Lets the scheduler take `count` machines to one barrier and waits until every check is over. */
async function takeToBarrier(
  count: number,
  options: Options = {},
  prepare: (many: ManyMachines) => void = () => {},
): Promise<ManyMachines> {
  const barrier = { id: 'ba'.repeat(16), momentMs: 1_790_000_000_000 + BARRIER_AFTER_MS };
  const many = await openManyMachines(count, { ...options, barrier: () => barrier });
  closers.push(() => many.bench.close());
  const { time, scheduler, lines } = many;
  prepare(many);
  const turn = (): void => {
    if (lines.length === count) return;
    // Before the leases are taken everything else has to be over, so nothing is started on the way there.
    if (time.nowMs() >= BARRIER_AFTER_MS - 135_000 && time.nowMs() < BARRIER_AFTER_MS) scheduler.startDue(signal);
    time.setTimer(250, turn);
  };
  turn();
  await time.run(() => lines.length === count);
  return many;
}

const startsOf = (many: ManyMachines): number[] => [...many.startedAtMs.values()].flat();

test('220 idle machines are made ready a few at a time and all start within three seconds of the barrier’s second', async () => {
  const many = await takeToBarrier(220);
  const starts = startsOf(many);
  expect(starts).toHaveLength(220);
  for (const startMs of starts) {
    expect(startMs).toBeGreaterThanOrEqual(BARRIER_AFTER_MS);
    expect(startMs).toBeLessThan(BARRIER_AFTER_MS + 3_000);
  }
  expect(many.lines.every((line) => line['verdict'] === 'pass' && line['barrier'] === 'joined')).toBe(true);
  const names = new Set(many.ports.receipts.newest(300).map((receipt) => receipt.body.barrierId));
  expect([...names]).toEqual(['ba'.repeat(16)]);
  expect(many.ports.receipts.scored(0).every((receipt) => receipt.networkBarrier === true)).toBe(true);
  expect(many.agents.every((agent) => agent.leasedUnits().length === 0)).toBe(true);
}, 120_000);

test('one device in two registrations passes when they are checked apart, and fails at least one at the barrier', async () => {
  const shared = (index: number): number => (index < 2 ? 0 : index);
  const apart = await openManyMachines(2, { deviceOf: shared, parallel: 1 });
  closers.push(() => apart.bench.close());
  const done = apart.scheduler.checkAllOnce(signal);
  await apart.time.run(() => apart.lines.length === 2);
  await done;
  expect(apart.lines.map((line) => line['verdict'])).toEqual(['pass', 'pass']);

  const together = await takeToBarrier(12, { deviceOf: shared });
  const verdicts = new Map(together.lines.map((line) => [line['machineId'], line['verdict']]));
  expect([verdicts.get('m0'), verdicts.get('m1')]).toContain('fail');
  for (let index = 2; index < 12; index += 1) expect(verdicts.get(`m${index}`)).toBe('pass');
});

test('a machine that is not ready at the second is no part of the barrier: it is checked alone, and that is said', async () => {
  const many = await takeToBarrier(3, {}, ({ agents, time }) => {
    agents[1]!.podState = 'starting';
    time.setTimer(BARRIER_AFTER_MS + 10_000, () => (agents[1]!.podState = 'ready'));
  });
  const parts = new Map(many.lines.map((line) => [line['machineId'], [line['barrier'], line['verdict']]]));
  expect(parts.get('m0')).toEqual(['joined', 'pass']);
  expect(parts.get('m1')).toEqual(['missed', 'pass']);
  const [receipt] = many.ports.receipts.newest(1, many.agents[1]!.machine.machineKey);
  expect(receipt?.body.barrierId).not.toBe('ba'.repeat(16));
  expect(receipt?.body.networkBarrier).toBeUndefined();
});

test('near a barrier nothing else is started, so that no other check stands in its way', async () => {
  const many = await openManyMachines(1, { barrier: () => ({ id: 'b', momentMs: 1_790_000_000_000 + 130_000 }) });
  closers.push(() => many.bench.close());
  many.scheduler.startDue(signal);
  expect(many.scheduler.retained().checking).toBe(0);
});
