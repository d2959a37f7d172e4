/** The report of an attack run: the form of every Show command, with the rows themselves beside the figures. */
import { cpus, totalmem } from 'node:os';
import {
  type Figure,
  type FigureReport,
  figureLines,
  type NotRun,
  reportFigures,
  roundFigure,
} from '../../tools/figures.ts';
import type { AttackRow } from './family.ts';

/** What `npm run attacks -- --json` prints as its last line. */
export interface AttackReport extends FigureReport {
  mode: 'full' | 'quick';
  /** ISO date of the run, and where. */
  date: string;
  machine: string;
  wallSeconds: number;
  seed: number;
  rows: AttackRow[];
}

/** Puts rows into a report; a figure for every rate and for every share of false rejects. */
export function composeReport(
  about: Pick<AttackReport, 'mode' | 'date' | 'wallSeconds' | 'seed'>,
  rows: readonly AttackRow[],
  notRun: readonly NotRun[],
): AttackReport {
  const figures: Record<string, Figure> = {};
  for (const row of rows) Object.assign(figures, figuresOf(row));
  if (rows.length === 0) figures['attacks played'] = { value: 0, unit: 'count', target: { atLeast: 1 } };
  return { ...reportFigures(figures, [...notRun]), ...about, machine: describeMachine(), rows: [...rows] };
}

function figuresOf(row: AttackRow): Record<string, Figure> {
  const name = `${row.family}, ${row.attack}`;
  const { target, honest } = row;
  return {
    [`${name}: detected (${row.run}, ${row.detected} of ${row.tries}, low bound ${roundFigure(row.wilsonLow)})`]: {
      value: target?.of === 'wilsonLow' ? row.wilsonLow : row.rate,
      unit: target?.of === 'wilsonLow' ? 'ratio, lower Wilson bound' : 'ratio',
      target: target === null ? null : { atLeast: target.atLeast },
    },
    [`${name}: honest refused (${honest.falseRejects} of ${honest.tries}, high bound ${roundFigure(honest.wilsonHigh)})`]:
      {
        value: honest.falseRejects / Math.max(1, honest.tries),
        unit: 'ratio',
        target: honest.target,
      },
  };
}

/** Processor, cores and memory, as people name a machine. */
function describeMachine(): string {
  const gib = Math.round(totalmem() / 1024 ** 3);
  return `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${gib} GiB, no GPU`;
}

/** The report for people: a line per figure, then the ends. */
export function reportLines(report: AttackReport): string[] {
  const ends = `${report.mode} run of ${Math.round(report.wallSeconds)} s on ${report.machine}, seed ${report.seed}`;
  return [...figureLines(report), ends];
}
