/** A machine session as a program: what `prover.mjs --machine` and the dishonest pods of tests run. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { terminalStream } from '../terminal.ts';
import { fileDisk } from './disk.ts';
import { serveDiskWorker } from './disk-worker.ts';
import { honestParts, type MachineParts, serveMachine } from './session.ts';

/** A session that a validator forgot ends by itself. */
const MAX_SESSION_MS = 20 * 60_000;

/** Serves one session on standard input and output; `change` makes it dishonest. */
export async function runMachineSession(
  moduleUrl: string,
  change: (honest: MachineParts) => MachineParts = (honest) => honest,
): Promise<number> {
  setTimeout(() => process.exit(1), MAX_SESSION_MS).unref();
  const disk = fileDisk(join(tmpdir(), `celium-disk-${process.pid}`), new URL(moduleUrl));
  const end = await serveMachine(terminalStream(process.stdin, process.stdout), change(honestParts(disk)));
  return end === 'failed' ? 1 : 0;
}

/** The whole of a dishonest pod's program. */
export async function runDishonestPod(
  moduleUrl: string,
  change: (honest: MachineParts) => MachineParts,
): Promise<void> {
  if (!isMainThread) return serveDiskWorker();
  process.exit(await runMachineSession(moduleUrl, change));
}
