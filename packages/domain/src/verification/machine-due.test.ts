/** When a machine is looked at again. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextMachineCheckAtMs } from './machine-due.ts';

const INTERVALS = { recheckMs: 6 * 3_600_000, retryMs: 600_000 };
const at = (verdict: 'pass' | 'fail', endedAtMs: number) => ({ verdict, endedAtMs });

test('an unknown machine is due at once, a passed one after the interval, a failed one soon, three times', () => {
  expect(nextMachineCheckAtMs([], null, INTERVALS, 0.5)).toBe(0);
  expect(nextMachineCheckAtMs([at('pass', 1_000)], null, INTERVALS, 0.5)).toBe(1_000 + INTERVALS.recheckMs);
  const fails = [at('fail', 4_000), at('fail', 3_000), at('fail', 2_000), at('fail', 1_000)];
  for (const count of [1, 2, 3])
    expect(nextMachineCheckAtMs(fails.slice(-count), null, INTERVALS, 0.5)).toBeLessThan(10_000 + INTERVALS.retryMs);
  expect(nextMachineCheckAtMs(fails, null, INTERVALS, 0.5)).toBe(4_000 + INTERVALS.recheckMs);
});

test('visits that bring nothing come at growing pauses and never beyond the interval', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), (count) => {
      const due = nextMachineCheckAtMs([], { atMs: 1_000, count }, INTERVALS, 0);
      expect(due).toBeGreaterThanOrEqual(61_000);
      expect(due).toBeLessThanOrEqual(1_000 + INTERVALS.recheckMs);
    }),
  );
});
