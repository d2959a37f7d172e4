/**
 * NVML as the agent asks it: in a process of its own that is started when a driver is there, asked by lines, and killed when it does not answer.
 * A broken GPU can hang any call of the library, and the agent's heartbeats must not wait for it.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { NvmlAnswer } from './reading.ts';

/** Where the driver and its library are; other places in tests. */
export interface NvmlPlaces {
  /** The folder that the kernel's driver shows: without it there is nothing to ask, and nothing is started. */
  driverFolder: string;
  library: string;
  environment?: Record<string, string>;
  timeoutMs?: number;
}

/** Where NVIDIA's driver and library are on Linux. */
export const NVIDIA_PLACES: NvmlPlaces = { driverFolder: '/proc/driver/nvidia', library: 'libnvidia-ml.so.1' };

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const TIMEOUT_MS = 10_000;
const MAX_LINE_CHARACTERS = 1_048_576;

/** The management library of this host. */
export class NvmlProcess {
  readonly #places: NvmlPlaces;
  #child: ChildProcessWithoutNullStreams | null = null;
  #asking: Promise<NvmlAnswer> | null = null;

  constructor(places: NvmlPlaces) {
    this.#places = places;
  }

  /** One reading, or why there is none. Never rejects; two who ask at once get the same. */
  ask(): Promise<NvmlAnswer> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** Ends the reading process. */
  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = null;
  }

  async #ask(): Promise<NvmlAnswer> {
    const { driverFolder, timeoutMs = TIMEOUT_MS } = this.#places;
    if (!existsSync(driverFolder)) return { absent: 'no NVIDIA driver is loaded' };
    const child = this.#running();
    const answer = await new Promise<NvmlAnswer>((resolve) => {
      const absent = (why: string): void => settle({ absent: why });
      const timer = setTimeout(() => absent(`NVML did not answer within ${timeoutMs} ms`), timeoutMs);
      let text = '';
      const onData = (chunk: string): void => {
        text += chunk;
        if (text.length > MAX_LINE_CHARACTERS) return absent('NVML answered with more than a mebibyte');
        if (text.includes('\n')) settle(parse(text));
      };
      const onEnd = (): void => absent('the process that reads NVML ended');
      const settle = (outcome: NvmlAnswer): void => {
        clearTimeout(timer);
        child.stdout.off('data', onData);
        child.off('exit', onEnd).off('error', onEnd);
        resolve(outcome);
      };
      child.stdout.on('data', onData);
      child.once('exit', onEnd).once('error', onEnd);
      child.stdin.write('read\n');
    });
    // Whatever went wrong in there, the next reading begins afresh.
    if ('absent' in answer) this.close();
    return answer;
  }

  #running(): ChildProcessWithoutNullStreams {
    if (this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null) return this.#child;
    const { library, environment = {} } = this.#places;
    const child = spawn(process.execPath, [MAIN, library], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ...environment },
    });
    child.stdout.setEncoding('utf8');
    child.stderr.resume();
    // A process that is gone shows in the answer that does not come.
    child.stdin.on('error', () => {});
    child.on('error', () => {});
    child.unref();
    this.#child = child;
    return child;
  }
}

function parse(text: string): NvmlAnswer {
  try {
    return JSON.parse(text) as NvmlAnswer;
  } catch {
    return { absent: 'the process that reads NVML wrote no JSON' };
  }
}
