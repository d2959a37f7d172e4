/** A hand-over: fresh receipts cost nobody a wait, old ones are renewed, and no word of anybody replaces the check of each unit. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  isOfHandOver,
  judgeHandOver,
  needsCheckBeforeHandOver,
  receiptAgeAllowedMs,
  type HandOverReceipt,
} from './hand-over.ts';

const NOW = 1_000 * 3_600_000;

test('a receipt that is fresh for its class needs no check, a millisecond more and it does', () => {
  for (const gpuClass of ['H200', 'RTX4090', 'CPU', null]) {
    const allowedMs = receiptAgeAllowedMs(gpuClass);
    expect(needsCheckBeforeHandOver({ class: gpuClass, verifiedAtMs: NOW - allowedMs }, NOW)).toBe(false);
    expect(needsCheckBeforeHandOver({ class: gpuClass, verifiedAtMs: NOW - allowedMs - 1 }, NOW)).toBe(true);
  }
  expect(needsCheckBeforeHandOver({ class: 'H200', verifiedAtMs: null }, NOW)).toBe(true);
  expect(receiptAgeAllowedMs('H200')).toBeLessThan(receiptAgeAllowedMs('RTX4090'));
  // Longer than the longest routine interval: an idle machine is never checked for a hand-over.
  expect(receiptAgeAllowedMs('H200')).toBeGreaterThan(2 * 3_600_000);
});

const anyReceipt: fc.Arbitrary<HandOverReceipt> = fc.record({
  unit: fc.constantFrom('GPU-1', 'GPU-2', 'GPU-3'),
  verdict: fc.constantFrom('pass' as const, 'pass' as const, 'fail' as const),
  class: fc.constantFrom('H200', 'H100', 'NVIDIA'),
  startedAtMs: fc.integer({ min: NOW - 31_000, max: NOW + 1_000 }),
  receivedAtMs: fc.integer({ min: NOW - 1_000, max: NOW + 2_000 }),
});

test('one failed or weaker unit fails the hand-over, and it passes only by a new pass of every unit', () => {
  const units = ['GPU-1', 'GPU-2'];
  fc.assert(
    fc.property(fc.array(anyReceipt), (receipts) => {
      const fresh = receipts.filter((one) => isOfHandOver(one, NOW) && units.includes(one.unit));
      const outcome = judgeHandOver(units, receipts, { atMs: NOW, class: 'H100' });
      expect(outcome === 'fail').toBe(fresh.some((one) => one.verdict === 'fail' || one.class === 'NVIDIA'));
      if (outcome === 'pass') expect(new Set(fresh.map(({ unit }) => unit)).size).toBe(2);
      expect(judgeHandOver(units, [], { atMs: NOW, class: 'H100' })).toBe('none');
    }),
  );
});

test('a receipt counts that came after the rent, also of a validator whose clock is up to 30 s behind', () => {
  expect(isOfHandOver({ startedAtMs: NOW - 30_000, receivedAtMs: NOW }, NOW)).toBe(true);
  expect(isOfHandOver({ startedAtMs: NOW - 30_001, receivedAtMs: NOW + 9_000 }, NOW)).toBe(false);
  // What the market had before the rent is why it was rentable, and no check of it.
  expect(isOfHandOver({ startedAtMs: NOW - 20_000, receivedAtMs: NOW - 1 }, NOW)).toBe(false);
});

test('a renter of a class gets that class or a better one, and of no class whatever passes', () => {
  const judge = (measured: string, rented: string | null) =>
    judgeHandOver(
      ['GPU-1'],
      [{ unit: 'GPU-1', verdict: 'pass', class: measured, startedAtMs: NOW, receivedAtMs: NOW }],
      {
        atMs: NOW,
        class: rented,
      },
    );
  expect(['H200', 'H100', 'A100-80G', 'NVIDIA', 'CPU'].map((measured) => judge(measured, 'H100'))).toEqual([
    'pass',
    'pass',
    'fail',
    'fail',
    'fail',
  ]);
  expect(judge('CPU', 'CPU')).toBe('pass');
  expect(judge('NVIDIA', null)).toBe('pass');
});

test('an operator may allow another age than the class does', () => {
  const offer = { class: 'CPU', verifiedAtMs: NOW - 1_000 };
  expect(needsCheckBeforeHandOver(offer, NOW, 0)).toBe(true);
  expect(needsCheckBeforeHandOver(offer, NOW, 1_000)).toBe(false);
});
