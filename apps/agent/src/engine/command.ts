/** Runs other programs with argument lists (never a shell), a deadline, and a bounded memory of what they said. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const REMEMBERED_CHARACTERS = 64 * 1024;
const KILL_GRACE_MS = 3000;

/** How a program ended: exit status (null when killed), and the last 64 KiB it printed. */
export type CommandResult = { status: number | null; output: string; timedOut: boolean };

/** Settings of a run; `onLine` sees each line of stdout and stderr, `onStatusLine` those of file descriptor 3. */
export type CommandOptions = {
  timeoutMs: number;
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** What the program reads from stdin; nothing by default. */
  input?: string;
  onLine?: (line: string) => void;
  onStatusLine?: (line: string) => void;
};

/** Runs `argv` to its end or the deadline. Does not throw for a non-zero status, only when it cannot be started. */
export async function runCommand(argv: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [program, ...args] = argv;
  if (program === undefined) throw new TypeError('runCommand needs a program');
  return await new Promise<CommandResult>((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [
        options.input === undefined ? 'ignore' : 'pipe',
        'pipe',
        'pipe',
        options.onStatusLine ? 'pipe' : 'ignore',
      ],
      detached: true,
      ...(options.env ? { env: options.env } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    // A program that ends before it has read everything says why by its status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
    let output = '';
    let timedOut = false;
    const remember = (line: string): void => {
      output = `${output}${line}\n`.slice(-REMEMBERED_CHARACTERS);
      options.onLine?.(line);
    };
    splitLines(child.stdout, remember);
    splitLines(child.stderr, remember);
    if (options.onStatusLine) splitLines(child.stdio[3] as NodeJS.ReadableStream, options.onStatusLine);
    const killTree = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // The group is gone already, which is what was wanted.
      }
    };
    let killTimer: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      timedOut = true;
      killTree('SIGTERM');
      killTimer = setTimeout(() => killTree('SIGKILL'), KILL_GRACE_MS);
    }, options.timeoutMs);
    child.once('error', (fault) => {
      clearTimeout(timer);
      reject(fault);
    });
    child.once('close', (status) => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      resolve({ status, output, timedOut });
    });
  });
}

/** The full path of a program: the path first, then the sbin folders that an ordinary path leaves out. */
export function findProgram(name: string, pathVariable = process.env.PATH ?? ''): string | undefined {
  const folders = [...pathVariable.split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return undefined;
}

function splitLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (!stream) return;
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n|\r/);
    rest = (lines.pop() ?? '').slice(-REMEMBERED_CHARACTERS);
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
  });
}
