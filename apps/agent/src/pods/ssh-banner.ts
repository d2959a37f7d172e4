/** Readiness as the agent sees it: an SSH server greets on the pod's published port. */
import { connect } from 'node:net';
import { wait, type Clock } from '../clock.ts';

/** Waits until an SSH server greets on the port at any of the hosts. Throws when `signal` aborts. */
export type AwaitSshBanner = (hosts: readonly string[], port: number, signal: AbortSignal) => Promise<void>;

const RETRY_MS = 10;
/** On one host a connection stands at once. A packet lost while the pod's bridge comes up would only be sent again after a second. */
const CONNECT_MS = 100;
const GREETING_MS = 2_000;
const GREETING = 'SSH-2.0-';

/** Tries every 10 ms; the caller bounds it by the signal. */
export function sshBannerOver(clock: Clock): AwaitSshBanner {
  return async (hosts, port, signal) => {
    for (;;) {
      const answers = await Promise.all(hosts.map((host) => greets(host, port, signal)));
      if (answers.includes(true)) return;
      await wait(clock, RETRY_MS, signal);
    }
  };
}

async function greets(host: string, port: number, signal: AbortSignal): Promise<boolean> {
  signal.throwIfAborted();
  return await new Promise<boolean>((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    let read = '';
    const end = (answer: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(answer);
    };
    const onAbort = (): void => end(false);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(CONNECT_MS, () => end(false));
    socket.once('connect', () => socket.setTimeout(GREETING_MS));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.on('data', (chunk: Buffer) => {
      read += chunk.toString('latin1');
      if (read.length >= GREETING.length) end(read.startsWith(GREETING));
    });
  });
}
