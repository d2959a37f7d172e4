/** The one form of every `--json` Show command: the last line is one object of figures with their targets, and the exit status says whether all hold. */

/** One measured figure. Targets are inclusive; give `atMost` or `atLeast` where there is one. */
export interface Figure {
  value: number | string | boolean;
  /** SI or plain words: `s`, `ms`, `ratio`, `cpu-s`, `bytes`, `count`. */
  unit: string;
  target: FigureTarget | null;
  /** The same thing measured on the floor in the same run, in the same unit. */
  floor?: number;
  /** How the value stands to the floor. */
  ratio?: number;
}

/** A bound that a figure has to keep. */
export type FigureTarget = { atMost: number } | { atLeast: number } | { equals: number | string | boolean };

/** Something that a full run would measure and this one could not. */
export interface NotRun {
  what: string;
  why: string;
}

/** What a Show command found out. */
export interface FigureReport {
  ok: boolean;
  figures: Record<string, Figure>;
  notRun: NotRun[];
}

/** Whether a figure keeps its target; a figure without one always does, a number that is not finite never. */
export function keepsTarget({ value, target }: Figure): boolean {
  if (typeof value === 'number' && !Number.isFinite(value)) return false;
  if (target === null) return true;
  if ('equals' in target) return value === target.equals;
  if (typeof value !== 'number') return false;
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

/** Puts the report together: ok only when every figure keeps its target. */
export function reportFigures(figures: Record<string, Figure>, notRun: NotRun[] = []): FigureReport {
  return { ok: Object.values(figures).every(keepsTarget), figures, notRun };
}

/** A number with at most four significant digits behind the point, as people read it. */
export function roundFigure(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(4));
}

function describeTarget(target: FigureTarget | null): string {
  if (target === null) return '';
  if ('equals' in target) return `= ${target.equals}`;
  return 'atMost' in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`;
}

/** The report as lines for people. */
export function figureLines(report: FigureReport): string[] {
  const lines = Object.entries(report.figures).map(([name, figure]) => {
    const mark = keepsTarget(figure) ? 'ok  ' : 'MISS';
    const beside = figure.floor === undefined ? '' : `  floor ${figure.floor}`;
    const ratio = figure.ratio === undefined ? '' : `  ratio ${figure.ratio}`;
    return `${mark}  ${name}: ${figure.value} ${figure.unit}  ${describeTarget(figure.target)}${beside}${ratio}`.trimEnd();
  });
  return [...lines, ...report.notRun.map(({ what, why }) => `not run  ${what}: ${why}`)];
}

/**
 * Prints the report and returns the exit status: 0 only when it is ok. With `json` the last line is the one object; without, a line per
 * figure for people.
 */
export function printFigures(report: FigureReport, json: boolean, write: (text: string) => void): number {
  if (json) write(`${JSON.stringify(report)}\n`);
  else for (const line of figureLines(report)) write(`${line}\n`);
  return report.ok ? 0 : 1;
}
