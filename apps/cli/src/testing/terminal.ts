/** A terminal for tests: what a command wrote, and what a person answers. */

import type { CliContext, TextSink } from '../context.ts';
import { runCommandLine } from '../run.ts';

export interface TestRun {
  status: number;
  stdout: string;
  stderr: string;
  /** Questions that were asked. */
  asked: string[];
}

export interface TestTerminal {
  /** Folder for `CELIUM_HOME`. */
  home: string;
  isTerminal?: boolean;
  env?: Record<string, string>;
  /** Answers in the order of the questions. */
  answers?: Array<string | boolean>;
  stdin?: string;
  nowMs?: number;
}

/** Runs one command line as `celium` would. */
export async function runCelium(argv: readonly string[], terminal: TestTerminal): Promise<TestRun> {
  const answers = [...(terminal.answers ?? [])];
  const asked: string[] = [];
  const answer = (message: string): unknown => {
    asked.push(message);
    if (answers.length === 0) throw new Error(`nobody answers: ${message}`);
    return answers.shift();
  };
  const stdout = sink(terminal.isTerminal === true);
  const stderr = sink(false);
  const context: CliContext = {
    process: { stdout, stderr, env: { CELIUM_HOME: terminal.home, ...terminal.env } },
    isInteractive: terminal.isTerminal === true,
    ask: {
      confirm: async (message) => answer(message) === true,
      text: async (message) => String(answer(message)),
      password: async (message) => String(answer(message)),
    },
    readStdin: async () => terminal.stdin ?? '',
    nowMs: () => terminal.nowMs ?? 1_790_000_000_000,
  };
  const status = await runCommandLine(argv, context);
  return { status, stdout: stdout.text(), stderr: stderr.text(), asked };
}

function sink(isTTY: boolean): TextSink & { text(): string } {
  let text = '';
  return { isTTY, columns: 200, write: (part) => void (text += part), text: () => text };
}
