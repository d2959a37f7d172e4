/** Starts the devchain program for tests, as its own process, and waits until it is ready. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/devchain/main.ts', import.meta.url));
const START_TIMEOUT_MS = 15_000;

/** A running devchain process. `exited` resolves with its status, or the name of the signal that ended it. */
export interface DevchainProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  stop(signal?: NodeJS.Signals): Promise<number | string>;
}

/** What the program printed when it ended instead of becoming ready. */
export class DevchainStartFailure extends Error {
  readonly event: Record<string, unknown> | undefined;
  readonly status: number | string;
  constructor(event: Record<string, unknown> | undefined, status: number | string) {
    super(`the devchain ended with ${status}: ${JSON.stringify(event)}`);
    this.event = event;
    this.status = status;
  }
}

/** Starts `node main.ts` with arguments; rejects with `DevchainStartFailure` when it ends first. */
export async function startDevchain(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<DevchainProcess> {
  const child = spawn(process.execPath, [MAIN, '--json', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit').then(([status, signal]) => (status ?? signal) as number | string);
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  let last: Record<string, unknown> | undefined;
  const lines = createInterface({ input: child.stdout });
  const ready = (async () => {
    for await (const line of lines) {
      last = JSON.parse(line) as Record<string, unknown>;
      if (last['event'] === 'ready') return String(last['url']);
    }
    return null;
  })();
  const url = await ready;
  clearTimeout(timer);
  if (url === null) throw new DevchainStartFailure(last, await exited);
  child.stdout.resume();
  return {
    url,
    child,
    exited,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
}
