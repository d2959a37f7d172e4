/** `npm run bench -- proof [--checks N]`: what an audit costs at every size, and a validator at work: 1,000 routine checks (or N) from end to end. */
import { cpus, loadavg } from 'node:os';
import { type FigureReport, reportFigures, roundFigure } from '../tools/figures.ts';
import { measureAuditCosts } from './audit-cost.ts';
import { measureRoutineChecks } from './routine-checks.ts';

const CHECKS = 1_000;

/** Runs the benchmark: a minute for the audits, up to eight minutes for the checks. */
export async function runBenchmark(args: readonly string[], progress: (line: string) => void): Promise<FigureReport> {
  const at = args.indexOf('--checks');
  const checks = at < 0 ? CHECKS : Number(args[at + 1]);
  if (!Number.isInteger(checks) || checks < 10 || checks > CHECKS)
    throw new RangeError(`--checks is a whole number from 10 to ${CHECKS}`);
  const figures = {
    ...(await measureRoutineChecks(checks, progress)),
    ...measureAuditCosts(progress),
    'load average at the end': { value: roundFigure(loadavg()[0]!), unit: 'processes', target: null },
    processor: { value: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`, unit: 'text', target: null },
  };
  return reportFigures(figures, [
    {
      what: 'routine checks of real GPUs',
      why: 'there is none here: devices, agents and links of these checks are simulated, and say so',
    },
  ]);
}
