/** One program of Celium as a child process: started, waited for, killed by its pid, its words kept for the failing test. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { parseProgressLine, type ProgressEvent } from '@celium/contract';

/** The last lines of a program that are kept for error messages. */
const KEPT_LINES = 60;

export interface ProgramOptions {
  /** Entry file, from the repository's root. */
  entry: string;
  args: string[];
  /** A command that runs the program in a place of its own, for example `ip netns exec NAME`. */
  within?: string[];
  env?: Record<string, string>;
  cwd: string;
  readyTimeoutMs?: number;
}

/** A running program. */
export interface Program {
  readonly pid: number;
  /** Fields of its `ready` line. */
  readonly ready: Record<string, unknown>;
  /** Every progress event so far. */
  readonly events: ProgressEvent[];
  /** Sends a signal and waits for the end; the exit status, or the signal's name. */
  end(signal?: NodeJS.Signals, timeoutMs?: number): Promise<number | string>;
  /** Waits until the program ends by itself. */
  ended: Promise<number | string>;
  isRunning(): boolean;
  /** What it said last, for a message. */
  tail(): string;
}

/** A program that ended, or was silent, before it was ready. */
export class ProgramFailed extends Error {
  override readonly name = 'ProgramFailed';
  readonly exit: number | string | null;
  readonly error: { code: string; message: string; remedy: string } | null;

  constructor(message: string, exit: number | string | null, error: ProgramFailed['error']) {
    super(message);
    this.exit = exit;
    this.error = error;
  }
}

/** Starts a program and waits for its `ready` line. */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const argv = [...(options.within ?? []), process.execPath, options.entry, ...options.args];
  const child = spawn(argv[0] ?? process.execPath, argv.slice(1), {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const events: ProgressEvent[] = [];
  const keep = (line: string): void => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
  };
  const ended = endOf(child);
  const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new ProgramFailed(`${options.entry} was not ready in time:\n${lines.join('\n')}`, null, null)),
      options.readyTimeoutMs ?? 120_000,
    );
    let error: ProgramFailed['error'] = null;
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      keep(line);
      const event = parseProgressLine(line);
      if (event === null) return;
      if (events.length < 10_000) events.push(event);
      if (event.event === 'error') error = event;
      if (event.event === 'ready') {
        clearTimeout(timer);
        resolve(event);
      }
    });
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', keep);
    void ended.then((exit) => {
      clearTimeout(timer);
      reject(
        new ProgramFailed(`${options.entry} ended (${exit}) before it was ready:\n${lines.join('\n')}`, exit, error),
      );
    });
  });
  try {
    const fields = await ready;
    return programOf(child, fields, events, ended, lines);
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    throw error;
  }
}

function programOf(
  child: ChildProcess,
  ready: Record<string, unknown>,
  events: ProgressEvent[],
  ended: Promise<number | string>,
  lines: string[],
): Program {
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid as number,
    ready,
    events,
    ended,
    isRunning,
    tail: () => lines.join('\n'),
    async end(signal = 'SIGTERM', timeoutMs = 20_000) {
      if (isRunning()) child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

async function endOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return code ?? signal ?? 'unknown';
}
