/** The frame of the provers that tests use to see that cheating is refused. No honest build contains these files. */
import { isMainThread } from 'node:worker_threads';
import { cpuDigests } from '../cpu/device.ts';
import { serveWorker } from '../cpu/worker.ts';
import { type DigestSource, treeDevice } from '../device.ts';
import { serveSession } from '../session.ts';
import { terminalStream } from '../terminal.ts';

/** Runs a prover whose digests pass through `corrupt`; `entryUrl` is the program's own `import.meta.url`. */
export async function runDishonest(entryUrl: string, corrupt: (honest: DigestSource) => DigestSource): Promise<void> {
  if (!isMainThread) {
    serveWorker();
    return;
  }
  const source = corrupt(cpuDigests({ workerUrl: new URL(entryUrl) }));
  await serveSession(terminalStream(process.stdin, process.stdout), treeDevice(source));
  process.stdout.write('', () => process.exit(0));
}
