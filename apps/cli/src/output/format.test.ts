/** Money and times in the words that people read. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAge, formatBytes, formatDuration, formatUsd, parseUsd } from './format.ts';
import { formatTable } from './table.ts';

test('an amount that is written out is read back as the same amount', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), (microUsd) => parseUsd(formatUsd(microUsd)) === microUsd),
  );
});

test('money has two digits at least and six at most', () => {
  expect([0n, 360_000n, 1n, -5_825n, 12_000_000n, 1_234_560n].map((amount) => formatUsd(amount))).toEqual([
    '$0.00',
    '$0.36',
    '$0.000001',
    '-$0.005825',
    '$12.00',
    '$1.23456',
  ]);
});

test('what is no amount of dollars is refused', () => {
  for (const text of ['', '-1', '1.', '.5', '1e3', '0.1234567', '1,5', 'NaN', '$']) expect(parseUsd(text)).toBeNull();
});

test('durations and ages grow in the unit that fits', () => {
  expect([0, 999, 1_500, 59_949, 60_000, 200_000, 7_500_000, 273_600_000].map(formatDuration)).toEqual([
    '0 ms',
    '999 ms',
    '1.5 s',
    '59.9 s',
    '1 min',
    '3 min 20 s',
    '2 h 5 min',
    '3 d 4 h',
  ]);
  expect([null, 10_000, 9_000, -50_000_000].map((atMs) => formatAge(atMs, 10_500))).toEqual([
    'never',
    '0 s ago',
    '1 s ago',
    '13 h ago',
  ]);
  expect([12, 62_000, 62_000_000, 1_540_000_000].map(formatBytes)).toEqual(['12 B', '62 kB', '62.0 MB', '1.54 GB']);
});

const STEERS = /[\p{C}\u2028\u2029]/u;

test('nothing that a stranger wrote steers the terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const table = formatTable([{ title: 'A' }, { title: 'B' }], [[text, text]]);
      expect(table.split('\n')).toHaveLength(3);
      expect(STEERS.test(table.replaceAll('\n', ''))).toBe(false);
    }),
  );
});
