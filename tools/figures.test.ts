/** Tests for the form of the Show commands. */
import { expect, test } from 'vitest';
import { figureLines, keepsTarget, printFigures, reportFigures } from './figures.ts';

test('a report is ok only when every figure keeps its target', () => {
  const good = { value: 2, unit: 's', target: { atMost: 2 } };
  const bad = { value: 7.9, unit: 'ratio', target: { atLeast: 8 } };
  expect(reportFigures({ good }).ok).toBe(true);
  expect(reportFigures({ good, bad }).ok).toBe(false);
  expect(keepsTarget({ value: 0, unit: 'count', target: { equals: 0 } })).toBe(true);
  expect(keepsTarget({ value: Number.NaN, unit: 's', target: null })).toBe(false);
});

test('the last line of a JSON report is one object with ok, figures and what was not run', () => {
  const lines: string[] = [];
  const report = reportFigures({ time: { value: 3, unit: 's', target: { atMost: 2 } } }, [
    { what: 'CUDA', why: 'no GPU' },
  ]);
  const status = printFigures(report, true, (text) => lines.push(text));
  expect(status).toBe(1);
  expect(JSON.parse(lines.at(-1)!)).toEqual({
    ok: false,
    figures: { time: { value: 3, unit: 's', target: { atMost: 2 } } },
    notRun: [{ what: 'CUDA', why: 'no GPU' }],
  });
});

test('people read each figure with its target, floor and ratio, and what was not run', () => {
  const report = reportFigures({ audit: { value: 1, unit: 'cpu-s', target: { atMost: 2.6 }, floor: 9, ratio: 9 } }, [
    { what: 'CUDA', why: 'no GPU' },
  ]);
  expect(figureLines(report)).toEqual(['ok    audit: 1 cpu-s  <= 2.6  floor 9  ratio 9', 'not run  CUDA: no GPU']);
});
