/** What several validators say of one unit. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RECEIPT_VALID_MS } from '../verification/validity.ts';
import { standingOf } from '../verification/retry.ts';
import { decidingReceipt, wordOfValidator, type UnitReceipt } from './verdict.ts';

const NOW = 100 * RECEIPT_VALID_MS;
let count = 0;
const receipt = (validator: string, verdict: 'pass' | 'fail', ageMs = 1_000): UnitReceipt => ({
  receiptId: `receipt-${(count += 1)}`,
  validator,
  verdict,
  endedAtMs: NOW - ageMs,
});
const verdict = (...receipts: UnitReceipt[]): 'pass' | 'fail' | null => decidingReceipt(receipts, NOW)?.verdict ?? null;

describe('a unit', () => {
  test('that nobody has checked has no verdict', () => {
    expect(verdict()).toBeNull();
  });

  test('has the verdict of the only validator that checked it, by its newest receipt', () => {
    expect(verdict(receipt('a', 'pass'))).toBe('pass');
    expect(verdict(receipt('a', 'pass', 5_000), receipt('a', 'fail', 1_000))).toBe('fail');
    expect(verdict(receipt('a', 'pass', 1_000), receipt('a', 'fail', 5_000))).toBe('pass');
  });

  test('fails when half of its validators say so: the lower median', () => {
    expect(verdict(receipt('a', 'pass'), receipt('b', 'fail'))).toBe('fail');
    expect(verdict(receipt('a', 'pass'), receipt('b', 'pass'), receipt('c', 'fail'))).toBe('pass');
    expect(verdict(receipt('a', 'pass'), receipt('b', 'fail'), receipt('c', 'fail'))).toBe('fail');
  });

  test('stays failed by the barriers of a validator whatever its lone checks say, and one validator alone fails nothing', () => {
    const at = (validator: string, kind: 'pass' | 'fail', ageMs: number): UnitReceipt => ({
      ...receipt(validator, kind, ageMs),
      networkBarrier: true,
    });
    const failedTwice = [at('a', 'fail', 9_000), at('a', 'fail', 5_000)];
    expect(verdict(at('a', 'fail', 9_000), receipt('a', 'pass'))).toBe('pass');
    expect(verdict(...failedTwice, receipt('a', 'pass'))).toBe('fail');
    expect(verdict(...failedTwice, receipt('a', 'pass'), receipt('b', 'pass'), receipt('c', 'pass'))).toBe('pass');
    expect(verdict(...failedTwice, at('a', 'pass', 3_000), at('a', 'pass', 2_000))).toBe('pass');
  });

  test('is not lifted by one validator that signs many passes', () => {
    const many = Array.from({ length: 20 }, (_, index) => receipt('a', 'pass', index));
    expect(verdict(...many, receipt('b', 'fail'), receipt('c', 'fail'))).toBe('fail');
  });

  test('loses its verdict after a day', () => {
    expect(verdict(receipt('a', 'pass', RECEIPT_VALID_MS))).toBe('pass');
    expect(verdict(receipt('a', 'pass', RECEIPT_VALID_MS + 1))).toBeNull();
    expect(verdict(receipt('a', 'fail', RECEIPT_VALID_MS + 1), receipt('b', 'pass'))).toBe('pass');
  });
});

test('a failed decoy is not undone by an announced check that passes, only by a later decoy, or by time', () => {
  const decoy = (verdict: 'pass' | 'fail', ageMs: number): UnitReceipt => ({
    ...receipt('a', verdict, ageMs),
    paid: true,
  });
  expect(verdict(decoy('fail', 5_000), receipt('a', 'pass', 1_000))).toBe('fail');
  expect(verdict(decoy('fail', 5_000), receipt('a', 'pass', 1_000), decoy('pass', 500))).toBe('pass');
  expect(verdict(decoy('fail', RECEIPT_VALID_MS + 1), receipt('a', 'pass', 1_000))).toBe('pass');
  expect(verdict(decoy('pass', 1_000), receipt('a', 'fail', 5_000))).toBe('fail');
  expect(verdict(decoy('fail', 1_000), receipt('a', 'pass'), receipt('b', 'pass'), receipt('c', 'pass'))).toBe('pass');
});

test('a further fail never turns a fail into a pass, nor a further pass a pass into a fail', () => {
  const any = fc.array(
    fc.record({
      validator: fc.constantFrom('a', 'b', 'c', 'd'),
      verdict: fc.constantFrom('pass' as const, 'fail' as const),
      ageMs: fc.integer({ min: 1, max: 2 * RECEIPT_VALID_MS }),
    }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(any, fc.constantFrom('a', 'b', 'c', 'd', 'e'), (given, validator) => {
      const receipts = given.map((one) => receipt(one.validator, one.verdict, one.ageMs));
      if (verdict(...receipts) === 'fail') expect(verdict(...receipts, receipt(validator, 'fail', 0))).toBe('fail');
      if (verdict(...receipts) === 'pass') expect(verdict(...receipts, receipt(validator, 'pass', 0))).toBe('pass');
    }),
  );
});

test('the deciding receipt is one of those given, has the verdict that it decides, and is the newest of its kind', () => {
  const old = receipt('a', 'fail', 5_000);
  const fresh = receipt('b', 'fail', 1_000);
  expect(decidingReceipt([old, fresh, receipt('c', 'pass', 1)], NOW)).toBe(fresh);
});

test('a decoy that passed is no word by itself, and lifts nothing', () => {
  const decoy: UnitReceipt = { ...receipt('a', 'pass', 500), paid: true };
  expect(verdict(decoy)).toBeNull();
  expect(verdict(decoy, receipt('a', 'pass', RECEIPT_VALID_MS + 1))).toBeNull();
  expect(verdict(decoy, receipt('b', 'fail'))).toBe('fail');
});

test('a validator’s word and the retry rule say the same as soon as no question is open, and an open first failure is a fail', () => {
  const rows = fc.array(fc.constantFrom('pass' as const, 'fail' as const), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(rows, (row) => {
      const newestFirst = row.map((one, index) => receipt('a', one, index + 1));
      const { verdict: standing, undecided } = standingOf(newestFirst);
      const word = wordOfValidator(newestFirst)?.verdict;
      expect(word).toBe(undecided ? row[0] : standing);
    }),
  );
});
