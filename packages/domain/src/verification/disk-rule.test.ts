/** What a disk is judged by: data first, then time, and a stall of the validator is nobody's fault. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DISK_RULE,
  diskBlocksToWrite,
  judgeDisk,
  readLatencies,
  undetectedShare,
  walkLimitMs,
  type SeenWalk,
} from './disk-rule.ts';

const RTT = 20;
const evenWalk = (msPerRead: number, wrong: number | null = 0, excused = false): SeenWalk => ({
  arrivalsMs: Array.from({ length: DISK_RULE.hopsPerWalk }, (_, hop) => RTT + (hop + 1) * msPerRead),
  wrong,
  excused,
});
const judge = (walks: readonly SeenWalk[], more: Partial<Parameters<typeof judgeDisk>[0]> = {}) =>
  judgeDisk({ askedBlocks: 100, writtenBlocks: 100, full: false, walks, rttMinMs: RTT, ...more });
const four = (walk: SeenWalk): SeenWalk[] => Array.from({ length: DISK_RULE.walks }, () => walk);

test('an SSD passes on a short path and on a long one; a spinning disk is too slow', () => {
  expect(judge(four(evenWalk(0.4)))).toMatchObject({ verdict: 'pass' });
  expect(judge(four(evenWalk(4)))).toMatchObject({ verdict: 'pass' });
  expect(judge(four(evenWalk(12)))).toMatchObject({ verdict: 'fail', code: 'DISK_SLOW' });
});

test('one late walk is a stall, two are a slow disk', () => {
  const [slow, fast] = [evenWalk(20), evenWalk(0.4)];
  expect(judge([slow, fast, fast, fast]).verdict).toBe('pass');
  expect(judge([slow, slow, fast, fast]).verdict).toBe('fail');
});

test('what only our own stall made late is not tested, and a wrong answer counts all the same', () => {
  const stalled = evenWalk(20, 0, true);
  expect(judge(four(stalled))).toEqual({ verdict: 'not-tested', code: 'VALIDATOR_STALLED' });
  expect(judge([...four(stalled).slice(1), evenWalk(0.4, 1, true)])).toMatchObject({ code: 'DISK_WRONG_DATA' });
});

test('a disk that takes less than was sold is short, and one that takes nothing or answers half has a fault', () => {
  expect(judge(four(evenWalk(0.4)), { writtenBlocks: 80, full: true })).toMatchObject({ code: 'DISK_SHORT' });
  expect(judge([], { writtenBlocks: 0 })).toMatchObject({ code: 'DISK_FAULT' });
  expect(judge(four(evenWalk(0.4)).slice(1))).toMatchObject({ code: 'DISK_FAULT' });
  expect(judge(four(evenWalk(0.4)), { writtenBlocks: 80 }).verdict).toBe('pass');
});

test('a disk that only got slower never gets a better verdict, and no credit for the path grows past its cap', () => {
  const rank = { fail: 0, 'not-tested': 1, pass: 2 };
  const speed = fc.double({ min: 0.1, max: 50, noNaN: true });
  fc.assert(
    fc.property(fc.array(speed, { minLength: 4, maxLength: 4 }), fc.nat(3), speed, (speeds, index, slower) => {
      const before = speeds.map((one) => evenWalk(one));
      const after = speeds.map((one, i) => evenWalk(i === index ? one + slower : one));
      expect(rank[judge(after).verdict]).toBeLessThanOrEqual(rank[judge(before).verdict]);
    }),
  );
  expect(walkLimitMs(16, 5_000)).toBe(walkLimitMs(16, 300));
  expect(walkLimitMs(16, -1)).toBe(walkLimitMs(16, 0));
});

test('what is written stays within the budget and the tested share of what is sold, whole blocks, at least one', () => {
  expect(diskBlocksToWrite({ soldBytes: 1e12, testedUnits: 1, allUnits: 8, budgetBytes: 2 ** 30 })).toBe(16_384);
  fc.assert(
    fc.property(
      fc.record({
        soldBytes: fc.nat({ max: 2 ** 40 }),
        testedUnits: fc.integer({ min: 1, max: 8 }),
        budgetBytes: fc.nat({ max: 2 ** 36 }),
      }),
      (ask) => {
        const blocks = diskBlocksToWrite({ ...ask, allUnits: 8 });
        expect(blocks).toBeGreaterThanOrEqual(1);
        if (blocks > 1) expect(blocks * 65_536).toBeLessThanOrEqual(Math.min(ask.budgetBytes, ask.soldBytes));
      },
    ),
  );
});

test('latencies are those between answers, not the path before the first', () => {
  expect(readLatencies([evenWalk(2), evenWalk(2)])).toEqual({ p50Ms: 2, p90Ms: 2, p99Ms: 2 });
  expect(readLatencies([])).toEqual({ p50Ms: 0, p90Ms: 0, p99Ms: 0 });
});

test('the share of a disk that may be missing follows from what a block costs to make again', () => {
  expect(undetectedShare(40, 0.5)).toBeCloseTo(0.1125, 4);
  expect(undetectedShare(4, 0)).toBe(1);
  expect(undetectedShare(40, 9)).toBe(0);
});
