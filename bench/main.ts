/** `npm run bench -- NAME [--json]`: runs one benchmark and prints its figures beside their floors. */
import { printFigures, type FigureReport } from '../tools/figures.ts';

/** A benchmark: takes its own arguments, tells people how far it is, returns figures. */
export type Benchmark = (args: readonly string[], progress: (line: string) => void) => Promise<FigureReport>;

/** Loaded only when asked for, so that one benchmark never needs what another does. */
const BENCHMARKS: Readonly<Record<string, () => Promise<{ runBenchmark: Benchmark }>>> = {
  proof: () => import('./proof.ts'),
  provision: () => import('./provision.ts'),
};

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const [name, ...rest] = args.filter((word) => word !== '--json');
  const load = name === undefined ? undefined : Object.entries(BENCHMARKS).find(([known]) => known === name)?.[1];
  if (load === undefined) {
    process.stderr.write(`Usage: npm run bench -- ${Object.keys(BENCHMARKS).join('|')} [--json]\n`);
    return 2;
  }
  const { runBenchmark } = await load();
  const report = await runBenchmark(rest, (line) => void process.stderr.write(`${line}\n`));
  return printFigures(report, json, (text) => void process.stdout.write(text));
}

process.exitCode = await main(process.argv.slice(2));
