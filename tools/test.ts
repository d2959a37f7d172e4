/** `./celium test`: set-up, checks, unit tests, end-to-end tests, quick attacks, quick economy; its very last line is `N passed, N failed`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChecks } from './check.ts';
import { checkout, printOutcome, runStep } from './run-step.ts';
import { countTests, type Counts, type VitestReport } from './test-counts.ts';

const SETUP_TIMEOUT_MS = 8 * 60_000;
const UNIT_TIMEOUT_MS = 20 * 60_000;
const E2E_TIMEOUT_MS = 25 * 60_000;
const ATTACKS_TIMEOUT_MS = 8 * 60_000;
const ECONOMY_TIMEOUT_MS = 5 * 60_000;

const stages = ['setup', 'check', 'unit', 'e2e', 'attacks', 'economy'] as const;
const usage = `usage: ./celium test [${stages.join('|')}]...

  Without arguments all six stages run: Docker Engine and base image, checks, unit tests, end-to-end tests, and the
  quick runs of the attack suite (npm run attacks -- --quick) and of the economy (npm run economy -- --quick).
`;

// Tests start hundreds of programs from source; what Node made of it once serves them all, and halves what a start costs.
process.env['NODE_COMPILE_CACHE'] ??= join(checkout, '.state/compiled');

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  if (args.some((arg) => !(stages as readonly string[]).includes(arg))) {
    process.stderr.write(usage);
    return args.includes('--help') || args.includes('-h') ? 0 : 2;
  }
  const wanted = args.length === 0 ? [...stages] : args;
  const startedMs = performance.now();
  const total: Counts = { passed: 0, failed: 0 };
  const add = (counts: Counts): void => {
    total.passed += counts.passed;
    total.failed += counts.failed;
  };
  if (wanted.includes('setup')) add(await setUp());
  // Without an engine nothing that follows would tell more than this one failure.
  if (total.failed === 0) {
    if (wanted.includes('check')) {
      for (const outcome of await runChecks()) add(outcome.ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 });
    }
    if (wanted.includes('unit')) add(await runTests('unit', UNIT_TIMEOUT_MS));
    if (wanted.includes('e2e')) add(await runTests('e2e', E2E_TIMEOUT_MS));
    if (wanted.includes('attacks')) add(await playSuite('attacks', ATTACKS_TIMEOUT_MS));
    if (wanted.includes('economy')) add(await playSuite('economy', ECONOMY_TIMEOUT_MS));
  }
  process.stdout.write(`whole run: ${((performance.now() - startedMs) / 1000).toFixed(0)} s\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

async function setUp(): Promise<Counts> {
  const outcome = await runStep({
    name: 'set-up',
    argv: [process.execPath, join(checkout, 'apps/agent/src/engine/main.ts'), 'prepare'],
    timeoutMs: SETUP_TIMEOUT_MS,
    live: true,
  });
  printOutcome(outcome, true);
  return outcome.ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** A quick run of a suite, real cheats or the economy: one test, which fails when a target is missed or an honest machine is refused. */
async function playSuite(name: 'attacks' | 'economy', timeoutMs: number): Promise<Counts> {
  const outcome = await runStep({
    name,
    argv: [process.execPath, join(checkout, `tests/${name}/main.ts`), '--quick'],
    timeoutMs,
    live: true,
  });
  printOutcome(outcome, true);
  return outcome.ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function runTests(project: 'unit' | 'e2e', timeoutMs: number): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), 'celium-report-'));
  const reportFile = join(folder, 'report.json');
  try {
    const outcome = await runStep({
      name: project,
      argv: [
        process.execPath,
        join(checkout, 'node_modules/vitest/vitest.mjs'),
        'run',
        `--project=${project}`,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${reportFile}`,
      ],
      timeoutMs,
      live: true,
    });
    let report: VitestReport | undefined;
    try {
      report = JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport;
    } catch {
      // The run ended without a report, which counts as one failure.
    }
    printOutcome(outcome, true);
    return countTests(report, outcome.ok);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
