/** A hand-over: fresh receipts cost nobody a wait, old ones are renewed, and no word of anybody replaces the check of each unit. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeHandOver, needsCheckBeforeHandOver, receiptAgeAllowedMs, type HandOverReceipt } from './hand-over.ts';

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

test('one failed unit fails the hand-over, and it passes only by a pass of every unit that began after the rent', () => {
  const receipt: fc.Arbitrary<HandOverReceipt> = fc.record({
    unit: fc.constantFrom('GPU-1', 'GPU-2', 'GPU-3'),
    verdict: fc.constantFrom('pass' as const, 'fail' as const),
    startedAtMs: fc.integer({ min: NOW - 1_000, max: NOW + 1_000 }),
  });
  fc.assert(
    fc.property(fc.array(receipt), (receipts) => {
      const units = ['GPU-1', 'GPU-2'];
      const fresh = receipts.filter((one) => one.startedAtMs >= NOW && units.includes(one.unit));
      const outcome = judgeHandOver(units, receipts, NOW);
      expect(outcome === 'fail').toBe(fresh.some(({ verdict }) => verdict === 'fail'));
      if (outcome === 'pass') expect(new Set(fresh.map(({ unit }) => unit)).size).toBe(2);
      expect(judgeHandOver(units, [], NOW)).toBe('none');
    }),
  );
});
