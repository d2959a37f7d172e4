/** What barriers say of a unit stands beside what lone checks say, and cannot be taken back by them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { failsAtBarriers, type BarrierReceipt } from './barrier-standing.ts';

/** Barriers in order, the oldest first: whether the unit failed. */
const series = (fails: readonly boolean[]): BarrierReceipt[] =>
  fails.map((failed, index) => ({ verdict: failed ? 'fail' : 'pass', endedAtMs: index * 1_000 }));

test('one failure at a barrier decides nothing, two of three do, and two passes after them lift it', () => {
  expect(failsAtBarriers([])).toBe(false);
  expect(failsAtBarriers(series([true]))).toBe(false);
  expect(failsAtBarriers(series([true, false, false]))).toBe(false);
  expect(failsAtBarriers(series([true, true]))).toBe(true);
  expect(failsAtBarriers(series([true, false, true]))).toBe(true);
  expect(failsAtBarriers(series([true, true, false]))).toBe(true);
  expect(failsAtBarriers(series([true, true, false, false]))).toBe(false);
});

test('whoever shares one device between registrations, in any order, has one of them down after every three barriers', () => {
  const slots = fc.integer({ min: 2, max: 4 });
  const order = slots.chain((count) =>
    fc.tuple(fc.constant(count), fc.array(fc.integer({ min: 0, max: count - 1 }), { minLength: 3, maxLength: 12 })),
  );
  fc.assert(
    fc.property(order, ([count, served]) => {
      // At each barrier at most one registration is served.
      for (let end = 3; end <= served.length; end += 1) {
        const down = Array.from({ length: count }, (_, slot) =>
          failsAtBarriers(series(served.slice(0, end).map((winner) => winner !== slot))),
        );
        expect(down.filter(Boolean).length).toBeGreaterThanOrEqual(count - 1);
      }
    }),
  );
});
