/** The frame of the provers that tests use to see that cheating is refused. No honest build contains these files. */
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { cpuDigests } from '../cpu/device.ts';
import { type CellStore, serveWorker } from '../cpu/worker.ts';
import { type DigestSource, treeDevice } from '../device.ts';
import { type ProverStream, serveSession } from '../session.ts';
import { terminalStream } from '../terminal.ts';

/** Where a prover departs from an honest one. */
export interface Dishonesty {
  /** What becomes of the digests. */
  digests?: (honest: DigestSource) => DigestSource;
  /** Where the cells are kept, if not in memory. */
  cells?: CellStore;
  /** What becomes of the stream to the validator. */
  stream?: (honest: ProverStream) => ProverStream;
}

/** Runs a dishonest prover; `entryUrl` is the program's own `import.meta.url`. */
export async function runDishonest(entryUrl: string, { digests, cells, stream }: Dishonesty): Promise<void> {
  if (!isMainThread) {
    serveWorker(cells);
    return;
  }
  const honest = cpuDigests({ workerUrl: new URL(entryUrl) });
  const terminal = terminalStream(process.stdin, process.stdout);
  await serveSession(stream?.(terminal) ?? terminal, treeDevice(digests?.(honest) ?? honest));
  process.stdout.write('', () => process.exit(0));
}

/** What the host wrote for its prover into `cheat.json`, beside the program in the tools folder. Throws where a number is missing. */
export function cheatSetting(entryUrl: string, name: string): number {
  const settings = JSON.parse(readFileSync(new URL('cheat.json', entryUrl), 'utf8')) as Record<string, unknown>;
  const value = settings[name];
  if (typeof value !== 'number') throw new Error(`cheat.json holds no number ${name}`);
  return value;
}
