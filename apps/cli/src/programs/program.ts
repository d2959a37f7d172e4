/** One program as a child process: its progress lines read, its errors kept, ended by its pid and by nothing else. */

import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CeliumError, ERRORS, parseProgressLine, type ErrorCode, type ProgressEvent } from '@celium/contract';
import { programArguments, type ProgramName } from './entries.ts';

/** How long a program may take to end cleanly before it is killed, in milliseconds. */
export const STOP_GRACE_MS = 30_000;
/** Lines that are kept for an error message. */
const KEPT_LINES = 40;

export interface ProgramOptions {
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Each progress event, as it comes. */
  onEvent?: (event: ProgressEvent) => void;
  /** Each other line that the program prints, on either stream. */
  onLine?: (line: string) => void;
  /** A process group of its own: Ctrl-C at the terminal then reaches only the CLI, which ends things in order. */
  ownGroup?: boolean;
}

/** Fields of a program's `ready` line. */
export type ReadyFields = Readonly<Record<string, unknown>>;

export interface Program {
  readonly name: ProgramName;
  readonly pid: number;
  /** The `ready` line; rejected with the program's own error when it ends before. */
  readonly ready: Promise<ReadyFields>;
  /** Exit status, or 128 when a signal ended it. Never rejected. */
  readonly ended: Promise<number>;
  isRunning(): boolean;
  /** Passes a signal on. */
  signal(signal: NodeJS.Signals): void;
  /** Ends it: SIGTERM, and SIGKILL after the grace. Answers its exit status. */
  stop(graceMs?: number): Promise<number>;
  /** The error that it reported, if it did. */
  fault(): CeliumError | null;
}

/** Starts a program. Throws nothing: a program that cannot be started rejects `ready`. */
export function startProgram(name: ProgramName, options: ProgramOptions): Program {
  const child = spawn(process.execPath, programArguments(name, options.args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: options.ownGroup === true,
    env: { ...process.env, ...options.env },
  });
  const tail: string[] = [];
  let fault: CeliumError | null = null;
  let becomeReady: (fields: ReadyFields) => void = () => {};
  let failReady: (fault: Error) => void = () => {};
  const ready = new Promise<ReadyFields>((resolve, reject) => {
    becomeReady = resolve;
    failReady = reject;
  });
  // A caller that only waits for the end must not die of an error that it did not ask for.
  ready.catch(() => {});

  const takeLine = (line: string): void => {
    const event = parseProgressLine(line);
    if (event === null) {
      tail.push(line);
      if (tail.length > KEPT_LINES) tail.shift();
      options.onLine?.(line);
      return;
    }
    if (event.event === 'error') fault = faultOfEvent(event);
    options.onEvent?.(event);
    if (event.event === 'ready') becomeReady(event);
  };
  const streams = [child.stdout, child.stderr].map((stream) => readLines(stream, takeLine));
  const ended = endOf(child, failReady).then(async (status) => {
    await Promise.all(streams);
    failReady(fault ?? endedEarly(name, status, tail));
    return status;
  });
  const isRunning = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    name,
    pid: child.pid ?? -1,
    ready,
    ended,
    isRunning,
    signal: (signal) => void (isRunning() && child.kill(signal)),
    async stop(graceMs = STOP_GRACE_MS) {
      if (isRunning()) child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
    fault: () => fault,
  };
}

/** The error of an `error` line, as one of the table. */
function faultOfEvent(event: { code: string; message: string; remedy: string }): CeliumError {
  const code = (event.code in ERRORS ? event.code : 'INTERNAL') as ErrorCode;
  return new CeliumError(code, event.message, { details: { remedy: event.remedy } });
}

function endedEarly(name: ProgramName, status: number, tail: readonly string[]): CeliumError {
  const words = tail.length === 0 ? 'It said nothing.' : `It said: ${tail.slice(-8).join(' | ')}`;
  return new CeliumError('INTERNAL', `The ${name} ended (status ${status}) before it was ready. ${words}`);
}

async function readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) onLine(line);
}

async function endOf(child: ChildProcess, failReady: (fault: Error) => void): Promise<number> {
  return await new Promise<number>((resolve) => {
    child.once('error', (fault) => {
      failReady(fault);
      if (child.pid === undefined) resolve(1);
    });
    child.once('exit', (status) => resolve(status ?? 128));
  });
}
