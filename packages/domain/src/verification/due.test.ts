/** When machines are checked: a failure soon again, a third check when two differ, everything else in its interval. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isOnboarding,
  MAX_RETRY_MS,
  nextCheckAtMs,
  type Intervals,
  type UnitHistory,
  type UnitVerdict,
  type Visit,
} from './due.ts';

const MINUTE = 60_000;
const intervals = { recheckMs: 90 * MINUTE, retryMs: 5 * MINUTE };

/** Verdicts, the newest first, an hour apart; the newest ended at `endedAtMs`. */
function verdicts(text: string, endedAtMs = 1_000 * MINUTE): UnitVerdict[] {
  return [...text].map((letter, index) => ({
    unit: 'cpu:a',
    verdict: letter === 'p' ? 'pass' : 'fail',
    endedAtMs: endedAtMs - index * 60 * MINUTE,
  }));
}

function dueMs(
  own: UnitVerdict[],
  more: Partial<UnitHistory> = {},
  given: Intervals = intervals,
  jitter = 0.5,
): number {
  return nextCheckAtMs({ verdicts: own, visit: null, firstAtMs: 0, releaseDueAtMs: null, ...more }, given, jitter);
}

function waitMs(text: string, visit: Visit | null = null): number {
  return dueMs(verdicts(text), { visit }) - 1_000 * MINUTE;
}

test('a machine that was never checked is checked at once', () => {
  expect(dueMs([])).toBe(0);
  expect(dueMs([], { firstAtMs: 7 })).toBe(7);
});

test('a pass that stands is checked again after the routine interval, which is drawn from 60 to 120 minutes', () => {
  expect(dueMs(verdicts('p', 0), {}, intervals, 0)).toBe(60 * MINUTE);
  expect(dueMs(verdicts('p', 0), {}, intervals, 255 / 256)).toBeGreaterThan(119 * MINUTE);
  expect(dueMs(verdicts('p', 0), {}, intervals, 255 / 256)).toBeLessThan(120 * MINUTE);
  expect(waitMs('p')).toBe(90 * MINUTE);
  expect(waitMs('pp')).toBe(90 * MINUTE);
});

test('a failure is repeated within ten minutes, whatever interval is set', () => {
  expect(waitMs('f')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('fp')).toBeLessThanOrEqual(MAX_RETRY_MS);
  const slow = { ...intervals, retryMs: 90 * MINUTE };
  expect(dueMs(verdicts('f', 0), {}, slow, 0.99)).toBeLessThanOrEqual(MAX_RETRY_MS);
});

test('when a failure and its repetition differ, a third check decides soon', () => {
  expect(waitMs('pf')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('pfp')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('ppf')).toBe(90 * MINUTE);
  expect(waitMs('pff')).toBe(90 * MINUTE);
});

test('a machine whose failure was confirmed waits for the routine interval', () => {
  expect(waitMs('f')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('ff')).toBe(90 * MINUTE);
  expect(waitMs('fff')).toBe(90 * MINUTE);
});

test('a visit without a verdict is repeated with growing pauses of at most ten minutes', () => {
  const after = (count: number): number => dueMs([], { visit: { atMs: 7, count } }) - 7;
  expect(after(1)).toBe(5_000);
  expect(after(3)).toBe(20_000);
  expect(after(50)).toBe(10 * MINUTE);
});

test('a busy visit never brings a check forward', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.nat(5_000), fc.constantFrom('p', 'f', 'pf', 'fff'), (count, minutes, text) => {
      const atMs = (1_000 + minutes) * MINUTE;
      const visited = dueMs(verdicts(text), { visit: { atMs, count: count + 1 } });
      expect(visited).toBeGreaterThanOrEqual(dueMs(verdicts(text)));
      expect(visited).toBeGreaterThan(atMs);
    }),
  );
});

test('only a fresh pass makes the next check a routine one', () => {
  const nowMs = 1_000 * MINUTE;
  expect(isOnboarding([], nowMs, 24 * 60 * MINUTE)).toBe(true);
  expect(isOnboarding(verdicts('p'), nowMs, 24 * 60 * MINUTE)).toBe(false);
  expect(isOnboarding(verdicts('fp'), nowMs, 24 * 60 * MINUTE)).toBe(true);
  expect(isOnboarding(verdicts('p'), nowMs + 25 * 60 * MINUTE, 24 * 60 * MINUTE)).toBe(true);
});

test('a lease that ended brings the next check forward, past the pause of a busy visit, and once only', () => {
  const releaseDueAtMs = 1_010 * MINUTE;
  expect(dueMs(verdicts('p'), { releaseDueAtMs })).toBe(releaseDueAtMs);
  const visit = { atMs: 1_009 * MINUTE, count: 40 };
  expect(dueMs(verdicts('p'), { releaseDueAtMs, visit })).toBe(releaseDueAtMs);
  const checked = verdicts('pp', 1_011 * MINUTE);
  expect(dueMs(checked, { releaseDueAtMs, visit })).toBe(dueMs(checked));
});

test('a lease that ended never puts a check off', () => {
  fc.assert(
    fc.property(fc.nat(3_000), fc.constantFrom('', 'p', 'f', 'pf', 'fff'), (minutes, text) => {
      const own = verdicts(text);
      expect(dueMs(own, { releaseDueAtMs: minutes * MINUTE })).toBeLessThanOrEqual(dueMs(own));
    }),
  );
});
