/** What tests and benchmarks may use of the CLI: one command line, run in a context of their own. */
export { runCommandLine } from './run.ts';
export type { CliContext, CliProcess, TextSink } from './context.ts';
