/** `npm run check`: types, lint, import table, house rules, format and dead code; each told with its time. */
import { join } from 'node:path';
import { checkout, localBinary, printOutcome, runStep, type Outcome, type Step } from './run-step.ts';

const STEP_TIMEOUT_MS = 180_000;

/** The steps, in the order in which they are run. */
export const checkSteps: readonly Step[] = [
  { name: 'types', argv: [localBinary('tsc'), '-p', 'tsconfig.json'] },
  { name: 'lint', argv: [localBinary('oxlint'), '--type-aware', '--max-warnings', '0'] },
  { name: 'imports', argv: [process.execPath, join(checkout, 'tools/check-imports.ts')] },
  { name: 'tidy', argv: [process.execPath, join(checkout, 'tools/tidy.ts')] },
  { name: 'format', argv: [localBinary('oxfmt'), '--check', '.'] },
  { name: 'dead code', argv: [localBinary('knip'), '--no-progress'] },
].map((step) => ({ ...step, timeoutMs: STEP_TIMEOUT_MS }));

if (process.argv[1] === import.meta.filename) {
  const outcomes = await runChecks();
  process.exitCode = outcomes.every((outcome) => outcome.ok) ? 0 : 1;
}

/** Runs all steps, also after one has failed, and prints each. */
export async function runChecks(): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of checkSteps) {
    const outcome = await runStep(step);
    printOutcome(outcome);
    outcomes.push(outcome);
  }
  return outcomes;
}
