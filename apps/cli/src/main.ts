/** Entry of `celium`: one command line in, one exit status out. */

import { enableCompileCache } from 'node:module';
import type { CliContext } from './context.ts';
import { foldersOf } from './settings/folders.ts';

// Sources are compiled once and not at each start; it halves what a short command costs. Programs that we start get the same folder.
const compiled = process.env['NODE_COMPILE_CACHE'] ?? foldersOf(process.env).compiled;
process.env['NODE_COMPILE_CACHE'] = compiled;
enableCompileCache(compiled);
const { terminalAsker } = await import('./output/ask.ts');
const { runCommandLine } = await import('./run.ts');

/** More than any password or public key; what comes after is not read. */
const MAX_STDIN_BYTES = 1_048_576;
/** A reader that does not read holds an exit back no longer than this. */
const FLUSH_LIMIT_MS = 30_000;

const context: CliContext = {
  // A copy, because the parser writes its own exit statuses into it.
  process: { stdout: process.stdout, stderr: process.stderr, env: process.env },
  isInteractive: process.stdin.isTTY === true && process.stdout.isTTY === true,
  ask: terminalAsker,
  readStdin,
  nowMs: () => Date.now(),
};

// A reader that goes away (`celium ls | head`, a closed terminal) is no error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (fault: NodeJS.ErrnoException) => {
    if (fault.code === 'EPIPE' || fault.code === 'EIO') process.exit(0);
    throw fault;
  });
}

const status = await runCommandLine(process.argv.slice(2), context);
// What a failed command left waiting (a retry, a held-back answer) must not hold back its exit, but what was written is: a long answer into a pipe is not out yet.
await Promise.race([flushed(), new Promise((resolve) => setTimeout(resolve, FLUSH_LIMIT_MS))]);
process.exit(status);

async function flushed(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => void stream.write('', () => resolve()));
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    chunks.push(chunk);
    if (bytes > MAX_STDIN_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
