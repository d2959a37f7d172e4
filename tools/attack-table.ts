/**
 * Writes the attack table of docs/verification.md from the report of a full run, so that no figure in it is typed by hand: `npm run -s attacks -- --json > FILE`, then
 * `node tools/attack-table.ts FILE...`. Families that were played apart are put together; the report is kept in docs/attacks.json.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AttackRow } from '../tests/attacks/family.ts';
import type { AttackReport } from '../tests/attacks/report.ts';
import { keepsTarget } from './figures.ts';
import { checkout } from './run-step.ts';

const DOCUMENT = join(checkout, 'docs/verification.md');
const REPORT = join(checkout, 'docs/attacks.json');
const BEGIN = '<!-- attacks: begin -->';
const END = '<!-- attacks: end -->';

/** One report of several over different families; a family of a later one takes the place of the same family before. Throws for an empty list. */
export function joinReports(reports: readonly AttackReport[]): AttackReport {
  const [first] = reports;
  if (first === undefined) throw new Error('there is no report to join');
  const families = new Map<string, AttackRow[]>();
  for (const { rows } of reports) {
    for (const name of new Set(rows.map(({ family }) => family))) {
      families.set(
        name,
        rows.filter(({ family }) => family === name),
      );
    }
  }
  const rows = [...families.values()].flat();
  const figures = Object.assign({}, ...reports.map((report) => report.figures)) as AttackReport['figures'];
  const notRun = [...new Map(reports.flatMap((report) => report.notRun).map((each) => [each.what, each])).values()];
  const wallSeconds = reports.reduce((sum, report) => sum + report.wallSeconds, 0);
  return { ...first, ok: Object.values(figures).every(keepsTarget), figures, notRun, wallSeconds, rows };
}

/** The document with the table of this report between its two marks. Throws when the marks are missing. */
export function withTable(document: string, report: AttackReport): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document lacks ${BEGIN} or ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${attackTable(report)}\n${document.slice(end)}`;
}

const HEAD = [
  'Attack',
  'Tries',
  'Caught',
  'Rate, and 95 % Wilson bounds',
  'Target',
  'Honest refused',
  'CPU-s',
  'Bytes',
  'Note',
];

/** The tables, one for each family, with date and machine. */
export function attackTable(report: AttackReport): string {
  const families = [...new Set(report.rows.map((row) => row.family))];
  const lines = [
    `Measured on ${report.date.slice(0, 10)} with the tries of a ${report.mode} run, seed ${report.seed}, on ${report.machine}.`,
    '',
  ];
  for (const family of families) {
    const rows = report.rows.filter((row) => row.family === family);
    const simulated = rows.some((row) => row.simulated) ? ', simulated' : '';
    lines.push(`### ${family} (${rows[0]?.run ?? ''}${simulated})`, '', line(HEAD), line(HEAD.map(() => '---')));
    lines.push(...rows.map((row) => line(cells(row))), '');
  }
  lines.push('### Not run', '', ...report.notRun.map(({ what, why }) => `- ${what}: ${why}`), '');
  return lines.join('\n');
}

const line = (words: readonly string[]): string =>
  `| ${words.map((word) => word.replaceAll('|', '\\|')).join(' | ')} |`;

function cells(row: AttackRow): string[] {
  const { target, honest } = row;
  const asked = target === null ? 'none' : `${target.of === 'rate' ? 'rate' : 'low bound'} ${percent(target.atLeast)}`;
  const beside = `${honest.falseRejects} of ${honest.tries} (at most ${percent(honest.wilsonHigh)})`;
  return [
    row.attack,
    String(row.tries),
    String(row.detected),
    `${percent(row.rate)} (${percent(row.wilsonLow)} to ${percent(row.wilsonHigh)})`,
    asked,
    honest.tries === 0 ? 'none beside it' : beside,
    Number(row.validatorCpuSecondsPerUnit.toPrecision(2)).toString(),
    String(row.proofBytesPerUnit),
    row.note,
  ];
}

/** A share as people read it: as many digits as tell it from all and from nothing. */
function percent(share: number): string {
  return `${Number((share * 100).toFixed(share > 0.99 || share < 0.01 ? 3 : 1))} %`;
}

// Last, because it needs the constants above.
if (process.argv[1] === import.meta.filename) {
  const files = process.argv.slice(2);
  if (files.length > 0) {
    const reports = files.map(
      (file) => JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1)!) as AttackReport,
    );
    writeFileSync(REPORT, `${JSON.stringify(joinReports(reports), null, 2)}\n`);
  }
  const report = JSON.parse(readFileSync(REPORT, 'utf8')) as AttackReport;
  writeFileSync(DOCUMENT, withTable(readFileSync(DOCUMENT, 'utf8'), report));
}
