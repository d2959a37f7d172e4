/** One worker thread of the attack suite: loads the trial module that it is told and runs slices of tries. */
import { parentPort } from 'node:worker_threads';
import type { RunTries, ThreadReply, ThreadRequest } from './threads.ts';

parentPort?.on('message', (request: ThreadRequest) => void answer(request));

async function answer({ module, slice }: ThreadRequest): Promise<void> {
  let reply: ThreadReply;
  try {
    const { runTries } = (await import(module)) as { runTries: RunTries };
    reply = { ok: true, tally: await runTries(slice) };
  } catch (error) {
    reply = { ok: false, message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  parentPort?.postMessage(reply);
}
