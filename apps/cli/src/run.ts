/** Runs one command line in a context and answers its exit status: 0, the code's own, 2 for a command line that is not understood. */

import { run } from '@stricli/core';
import { ERRORS } from '@celium/contract';
import { makeApplication, TRACE_VARIABLE } from './app.ts';
import type { CliContext } from './context.ts';
import { FAULT_EXIT } from './output/failure.ts';

/** Runs `argv` (without program and script). Never rejects. */
export async function runCommandLine(argv: readonly string[], context: CliContext): Promise<number> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const trace = (context.process.env[TRACE_VARIABLE] ?? '') !== '';
  const app = makeApplication({ json: own.includes('--json'), trace });
  await run(app, argv, context);
  const status = Number(context.process.exitCode ?? 0);
  // The parser's own statuses are negative: the command or a flag was not understood.
  if (status === UNKNOWN_COMMAND || status === INVALID_ARGUMENT) return ERRORS.USAGE.exit;
  return status < 0 ? FAULT_EXIT : status;
}

const UNKNOWN_COMMAND = -5;
const INVALID_ARGUMENT = -4;
