/** Where the programs are that the CLI starts. They are never imported: each runs as a process of its own. */

import { fileURLToPath } from 'node:url';

/** Entry files by program, from the repository's root. */
const ENTRIES = {
  market: 'apps/control-plane/src/main.ts',
  agent: 'apps/agent/src/main.ts',
  engine: 'apps/agent/src/engine/main.ts',
  validator: 'apps/validator/src/main.ts',
  devchain: 'packages/chain/src/devchain/main.ts',
} as const;

export type ProgramName = keyof typeof ENTRIES;

/** The entry file of a program, from the repository's root. */
export function programEntry(program: ProgramName): string {
  return ENTRIES[program];
}

/** The command line of a program: Node, its quiet flags, the entry file, the program's own arguments. */
export function programArguments(program: ProgramName, args: readonly string[]): string[] {
  const entry = fileURLToPath(new URL(`../../../../${ENTRIES[program]}`, import.meta.url));
  return ['--disable-warning=ExperimentalWarning', entry, ...args];
}
