/** When machines are checked: a failure soon again, a third check when two differ, everything else in its interval. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { UnitVerdict } from '../state/receipt-book.ts';
import { isOnboarding, MAX_RETRY_MS, nextCheckAtMs, type Visit } from './due.ts';

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

function waitMs(text: string, visit: Visit | null = null): number {
  return nextCheckAtMs(verdicts(text), visit, intervals, 0.5) - 1_000 * MINUTE;
}

test('a machine that was never checked is checked at once', () => {
  expect(nextCheckAtMs([], null, intervals, 0.5)).toBe(0);
});

test('a pass that stands is checked again after the routine interval', () => {
  expect(waitMs('p')).toBe(90 * MINUTE);
  expect(waitMs('pp')).toBe(90 * MINUTE);
});

test('a failure is repeated within ten minutes, whatever interval is set', () => {
  expect(waitMs('f')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('fp')).toBeLessThanOrEqual(MAX_RETRY_MS);
  const slow = { ...intervals, retryMs: 90 * MINUTE };
  expect(nextCheckAtMs(verdicts('f', 0), null, slow, 0.99)).toBeLessThanOrEqual(MAX_RETRY_MS);
});

test('when a failure and its repetition differ, a third check decides soon', () => {
  expect(waitMs('pf')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('pfp')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('ppf')).toBe(90 * MINUTE);
  expect(waitMs('pff')).toBe(90 * MINUTE);
});

test('a machine that failed three times in a row waits for the routine interval', () => {
  expect(waitMs('ff')).toBeLessThanOrEqual(MAX_RETRY_MS);
  expect(waitMs('fff')).toBe(90 * MINUTE);
});

test('a visit without a verdict is repeated with growing pauses of at most ten minutes', () => {
  const after = (count: number): number => nextCheckAtMs([], { atMs: 7, count }, intervals, 0) - 7;
  expect(after(1)).toBe(5_000);
  expect(after(3)).toBe(20_000);
  expect(after(50)).toBe(10 * MINUTE);
});

test('a busy visit never brings a check forward', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.nat(5_000), fc.constantFrom('p', 'f', 'pf', 'fff'), (count, minutes, text) => {
      const atMs = (1_000 + minutes) * MINUTE;
      const visited = nextCheckAtMs(verdicts(text), { atMs, count: count + 1 }, intervals, 0.5);
      expect(visited).toBeGreaterThanOrEqual(nextCheckAtMs(verdicts(text), null, intervals, 0.5));
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
