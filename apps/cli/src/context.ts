/** What every command gets from outside: streams, environment, terminal, clock, questions to a person. Tests give their own. */

import type { CommandContext } from '@stricli/core';
import type { Asker } from './output/ask.ts';

/** A stream that commands write to. */
export interface TextSink {
  write(text: string): void;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  getColorDepth?(env?: Readonly<Partial<Record<string, string>>>): number;
}

/** The part of Node's `process` that commands use. */
export interface CliProcess {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Partial<Record<string, string>>>;
  exitCode?: number | string | null;
}

export interface CliContext extends CommandContext {
  readonly process: CliProcess;
  /** True when a person can be asked something. */
  readonly isInteractive: boolean;
  readonly ask: Asker;
  /** The rest of standard input, for `--password-stdin` and for `-` as a file name. */
  readStdin(): Promise<string>;
  /** Unix milliseconds. */
  nowMs(): number;
}
