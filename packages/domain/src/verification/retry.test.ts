/** The retry rule, row by row, and what it makes of honest machines that fail now and then. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { standingOf } from './retry.ts';

/** Verdicts in the order in which they came: `pff` is a pass, then two failures. */
const after = (row: string) =>
  standingOf([...row].map((one) => ({ verdict: one === 'p' ? ('pass' as const) : ('fail' as const) })).toReversed());

test.each([
  ['', null, false],
  ['p', 'pass', false],
  ['f', null, true],
  ['pf', 'pass', true],
  ['ff', 'fail', false],
  ['fp', null, true],
  ['pfp', 'pass', true],
  ['fpp', 'pass', false],
  ['fpf', 'fail', false],
  ['pfpf', 'fail', false],
  ['fff', 'fail', false],
  ['ffp', 'pass', false],
  ['ffpf', 'pass', true],
] as const)('after %s the standing is %s, open: %s', (row, verdict, undecided) => {
  expect(after(row)).toEqual({ verdict, undecided });
});

test('one failure alone changes no standing, and no question is open for more than two further checks', () => {
  const rows = fc.array(fc.constantFrom('p', 'f'), { maxLength: 30 }).map((letters) => letters.join(''));
  fc.assert(
    fc.property(rows, (row) => {
      const before = after(row);
      if (!before.undecided && before.verdict !== 'fail') {
        expect(after(`${row}f`)).toEqual({ verdict: before.verdict, undecided: true });
      }
      for (const next of ['p', 'f']) {
        for (const then of ['p', 'f']) {
          const states = [before, after(row + next), after(row + next + then)];
          expect(states.every(({ undecided }) => undecided)).toBe(false);
        }
      }
      if (!before.undecided) expect(after(`${row}p`).verdict).toBe('pass');
    }),
  );
});

test('of honest checks that fail at 2 % each, fewer than 0.1 % end in a decided failure', () => {
  let state = 42;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const checks = 200_000;
  let failures = 0;
  let rejected = 0;
  let row = '';
  for (let i = 0; i < checks; i++) {
    row += uniform() < 0.02 ? 'f' : 'p';
    if (row.endsWith('f')) failures += 1;
    const { verdict, undecided } = after(row);
    if (undecided) continue;
    if (verdict === 'fail') rejected += 1;
    row = '';
  }
  expect(failures).toBeGreaterThan(3_500);
  expect(rejected / checks).toBeLessThan(0.001);
});
