/** `npm run attacks -- [--json] [--quick] [--family NAME]... [--seed N]`: plays real cheats against the real rules and counts who is caught. */
import { inspect, parseArgs } from 'node:util';
import type { NotRun } from '../../tools/figures.ts';
import type { AttackRow, AttackSetting } from './family.ts';
import { FAMILIES } from './registry.ts';
import { composeReport, reportLines } from './report.ts';
import { openThreads } from './threads.ts';

const USAGE = `Usage: npm run attacks -- [--quick] [--family NAME]... [--seed N] [--json]
Families: ${Object.keys(FAMILIES).join(', ')}
`;

interface Options {
  quick: boolean;
  json: boolean;
  seed: number;
  families: string[];
}

/** The options, or null for a command line that is none of ours. */
function readOptions(args: string[]): Options | null {
  try {
    const { values } = parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        family: { type: 'string', multiple: true, default: [] },
      },
    });
    const seed = Number(values.seed);
    const known = values.family.every((name) => Object.hasOwn(FAMILIES, name));
    if (!Number.isSafeInteger(seed) || !known) return null;
    return { quick: values.quick, json: values.json, seed, families: values.family };
  } catch {
    return null;
  }
}

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const startedMs = performance.now();
  const elapsedS = (): number => (performance.now() - startedMs) / 1000;
  const progress = (line: string): void =>
    void process.stderr.write(`${elapsedS().toFixed(0).padStart(5)} s  ${line}\n`);
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupt.abort());
  const threads = openThreads(interrupt.signal);
  const setting = { quick: options.quick, seed: options.seed, threads, progress, signal: interrupt.signal };
  const { rows, notRun, brokeOff } = await playFamilies(options, setting).finally(() => threads.close());
  const mode = options.quick ? 'quick' : 'full';
  const about = { mode, date: new Date().toISOString(), wallSeconds: elapsedS(), seed: options.seed } as const;
  const composed = composeReport(about, rows, notRun);
  const report = { ...composed, ok: composed.ok && !brokeOff };
  const text = options.json ? `${JSON.stringify(report)}\n` : `${reportLines(report).join('\n')}\n`;
  await new Promise((resolve) => process.stdout.write(text, resolve));
  return report.ok ? 0 : 1;
}

/** Plays the families that are asked for; of one that breaks off, the rows that were complete stay, and the others are played. */
async function playFamilies(
  options: Options,
  setting: Omit<AttackSetting, 'row' | 'notRun'>,
): Promise<{ rows: AttackRow[]; notRun: NotRun[]; brokeOff: boolean }> {
  const rows: AttackRow[] = [];
  const notRun: NotRun[] = [];
  let brokeOff = false;
  for (const [name, load] of Object.entries(FAMILIES)) {
    if (options.families.length > 0 && !options.families.includes(name)) continue;
    const { family } = await load();
    if (options.quick && !family.inQuick && options.families.length === 0) {
      notRun.push({ what: name, why: 'not part of a quick run' });
      continue;
    }
    setting.progress(`${name} (${family.run})`);
    const before = rows.length;
    try {
      setting.signal.throwIfAborted();
      await family.play({
        ...setting,
        row: (row) => void rows.push(row),
        notRun: (what, why) => void notRun.push({ what, why }),
      });
    } catch (fault) {
      brokeOff = true;
      const why = setting.signal.aborted ? 'interrupted' : `broke off: ${String(fault)}`;
      setting.progress(`${name} ${setting.signal.aborted ? 'was interrupted' : inspect(fault)}`);
      notRun.push({ what: rows.length > before ? `the rest of ${name}` : name, why });
    }
  }
  return { rows, notRun, brokeOff };
}

process.exitCode = await main(process.argv.slice(2));
