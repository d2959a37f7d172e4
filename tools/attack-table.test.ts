/** The attack table of the documents is what the tool makes of the report, to the last figure. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AttackReport } from '../tests/attacks/report.ts';
import { attackTable, withTable } from './attack-table.ts';
import { checkout } from './run-step.ts';

const report = JSON.parse(readFileSync(join(checkout, 'docs/attacks.json'), 'utf8')) as AttackReport;
const document = readFileSync(join(checkout, 'docs/verification.md'), 'utf8');

/** The formatter pads tables; figures and words are what counts. */
const words = (text: string): string => text.replace(/-{3,}/g, '---').replace(/\s+/g, ' ');

test('the documents show the report that lies beside them', () => {
  expect(words(withTable(document, report))).toBe(words(document));
});

test('the report is of a full run, keeps every target, and has its date and machine', () => {
  expect(report).toMatchObject({ ok: true, mode: 'full' });
  expect(report.date).toMatch(/^\d{4}-\d{2}-\d{2}T/);
  expect(report.machine).toMatch(/cores/);
});

test('a table tells rates with their bounds, and what was not run', () => {
  const row = report.rows[0]!;
  const table = attackTable({ ...report, rows: [row], notRun: [{ what: 'two provers', why: 'no GPU' }] });
  expect(table).toContain(row.attack);
  expect(table).toContain(`${row.tries} | ${row.detected}`);
  expect(table).toContain('- two provers: no GPU');
});

test('a document without marks is refused', () => {
  expect(() => withTable('# Nothing', report)).toThrow('lacks');
});
