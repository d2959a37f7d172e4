/** Runs one program in the foreground: shows its progress, passes signals on, ends as it ends. */

import { CeliumError, type ProgressEvent } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { openProgressView, type ProgressView } from '../output/progress-view.ts';
import { startProgram, type Program, type ReadyFields } from './program.ts';
import type { ProgramName } from './entries.ts';

export interface ForegroundOptions {
  args: readonly string[];
  json: boolean;
  /** Words for a person once the program serves. */
  onReady?: (fields: ReadyFields) => string;
  view?: ProgressView;
}

/** Runs until the program ends. Throws its own error when it reported one and failed; sets the exit status otherwise. */
export async function runInForeground(
  context: CliContext,
  name: ProgramName,
  options: ForegroundOptions,
): Promise<void> {
  const view = options.view ?? openProgressView(context, options.json ? 'json' : 'text');
  const program = startProgram(name, {
    args: options.args,
    ownGroup: true,
    onEvent: (event) => {
      if (event.event === 'error') return;
      view.take(event);
      if (event.event === 'ready' && !options.json) sayReady(context, view, event, options.onReady);
    },
    onLine: (line) => view.line(line),
  });
  const status = await withSignals(program);
  view.close();
  if (status !== 0) throw program.fault() ?? (await earlyEnd(program, status));
}

/** Waits for the end; SIGINT and SIGTERM are passed on as SIGTERM, a second one kills. */
async function withSignals(program: Program): Promise<number> {
  let asked = false;
  const pass = (): void => {
    program.signal(asked ? 'SIGKILL' : 'SIGTERM');
    asked = true;
  };
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  process.on('SIGHUP', pass);
  process.on('exit', pass);
  try {
    const status = await program.ended;
    // Ended because it was asked to: that is what was wanted.
    return asked && status === 128 ? 0 : status;
  } finally {
    process.off('SIGINT', pass);
    process.off('SIGTERM', pass);
    process.off('SIGHUP', pass);
    process.off('exit', pass);
  }
}

function sayReady(
  context: CliContext,
  view: ProgressView,
  event: ProgressEvent,
  words: ((fields: ReadyFields) => string) | undefined,
): void {
  view.close();
  if (words !== undefined) context.process.stderr.write(words(event as unknown as ReadyFields));
}

async function earlyEnd(program: Program, status: number): Promise<Error> {
  return await program.ready.then(
    () => new CeliumError('INTERNAL', `The ${program.name} ended with status ${status}; its last words are above.`),
    (fault: Error) => fault,
  );
}
