/** Runs one step of check or test as a child process, with a deadline, and tells name, time and outcome in one line. */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

/** The checkout that the tools work on. */
export const checkout = resolve(join(import.meta.dirname, '..'));

/** A step: `argv` runs in the checkout; `live` shows its output as it comes, otherwise only when it fails. */
export type Step = { name: string; argv: readonly string[]; timeoutMs: number; live?: boolean };

/** How a step went. */
export type Outcome = { name: string; ok: boolean; ms: number; output: string };

const KEPT_CHARACTERS = 64 * 1024;
const KILL_GRACE_MS = 5000;

/** The program that npm put into node_modules/.bin. */
export function localBinary(name: string): string {
  return join(checkout, 'node_modules', '.bin', name);
}

/** Runs it to its end or deadline; never throws. */
export async function runStep(step: Step): Promise<Outcome> {
  const startedMs = performance.now();
  const [program, ...args] = step.argv as [string, ...string[]];
  return await new Promise((settle) => {
    // A group of its own, so that a deadline also ends what the step started.
    const child = spawn(program, args, { cwd: checkout, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    const take = (chunk: Buffer): void => {
      if (step.live === true) process.stdout.write(chunk);
      output = (output + chunk.toString('utf8')).slice(-KEPT_CHARACTERS);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const signalGroup = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // Gone already.
      }
    };
    const pass = (signal: NodeJS.Signals): void => {
      signalGroup(signal);
      process.exitCode = 130;
    };
    process.on('SIGINT', pass).on('SIGTERM', pass);
    let killTimer: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      output += `\n${step.name}: not done after ${Math.round(step.timeoutMs / 1000)} s, ended\n`;
      signalGroup('SIGTERM');
      killTimer = setTimeout(() => signalGroup('SIGKILL'), KILL_GRACE_MS);
    }, step.timeoutMs);
    const finish = (ok: boolean): void => {
      clearTimeout(timer);
      clearTimeout(killTimer);
      process.off('SIGINT', pass).off('SIGTERM', pass);
      settle({ name: step.name, ok, ms: Math.round(performance.now() - startedMs), output });
    };
    child.once('error', (fault) => {
      output += fault.message;
      finish(false);
    });
    child.once('close', (status) => finish(status === 0));
  });
}

/** `ok      types  4.2 s`, and the output below it when it failed and was not shown live. */
export function printOutcome(outcome: Outcome, live = false): void {
  process.stdout.write(
    `${outcome.ok ? 'ok    ' : 'FAILED'}  ${outcome.name.padEnd(12)} ${(outcome.ms / 1000).toFixed(1)} s\n`,
  );
  if (!outcome.ok && !live) process.stdout.write(`${outcome.output.trimEnd()}\n`);
}
