/** Runs the prover's self test in its own process: the rate that a CPU machine declares of itself in the manifest. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CeliumError } from '@celium/contract';
import { explain } from '../log.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 1_048_576;

/** The prover to run: the one in a tools folder, else the one of this checkout. */
export function proverProgram(toolsDir?: string): string {
  const bundled = toolsDir === undefined ? undefined : join(toolsDir, 'prover.mjs');
  return bundled !== undefined && existsSync(bundled)
    ? bundled
    : fileURLToPath(new URL('../../../prover/src/main.ts', import.meta.url));
}

/**
 * Work units of CGP-1 per second on this host, as the prover's own self test measures them.
 * Throws `UNSUPPORTED` when the prover fails, `TIMEOUT` after two minutes.
 */
export async function measureWorkPerSecond(program = proverProgram()): Promise<number> {
  let output: string;
  try {
    ({ stdout: output } = await run(process.execPath, [program, '--self-test', '--json'], {
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    }));
  } catch (cause) {
    const timedOut = (cause as { killed?: boolean }).killed === true;
    throw new CeliumError(
      timedOut ? 'TIMEOUT' : 'UNSUPPORTED',
      `the self test of the prover ${program} ${timedOut ? 'took more than two minutes' : 'failed'}: ${explain(cause)}`,
      { cause },
    );
  }
  const rate = rateOf(output);
  if (rate === null) {
    throw new CeliumError('UNSUPPORTED', `the self test of the prover ${program} printed no rate to declare`);
  }
  return rate;
}

/** `declaredRateUnitsPerSecond` of the last JSON line that has one; null when there is none, or the answers were wrong. */
export function rateOf(output: string): number | null {
  for (const line of output.trim().split('\n').reverse()) {
    try {
      const { ok, declaredRateUnitsPerSecond: rate } = JSON.parse(line) as Record<string, unknown>;
      if (ok === true && typeof rate === 'number' && Number.isFinite(rate) && rate > 0) return rate;
    } catch {
      // Not JSON: a line for people.
    }
  }
  return null;
}
