/** An interactive shell in a pod of one's own as the stream of a challenge: the machine's OpenSSH client, with a terminal, against the pinned key. */

import { spawn } from 'node:child_process';
import type { ProofTransport } from '@celium/proof';

/** What OpenSSH says of a failed login is kept up to here. */
const MAX_WORDS = 2_000;

/** A shell that can be ended. */
export interface PodShell extends ProofTransport {
  /** Ends the client at once. */
  close(): void;
  /** What the client wrote to its error stream: why a login failed. */
  words(): string;
}

/** Starts `ssh` with these arguments (`sshArguments`, a terminal forced); nothing of this process's own terminal is touched. */
export function openPodShell(args: readonly string[]): PodShell {
  const child = spawn('ssh', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8');
  child.stderr.on('data', (text: string) => {
    said = `${said}${text}`.slice(-MAX_WORDS);
  });
  // A client that is gone takes no more lines; `onClose` says so.
  child.stdin.on('error', () => {});
  let onClose = (): void => {};
  child.once('error', (fault) => {
    said = fault.message;
    onClose();
  });
  child.once('close', () => onClose());
  return {
    write: (text) => void child.stdin.write(text),
    onData: (listener) => void child.stdout.on('data', listener),
    onClose(listener) {
      onClose = listener;
    },
    close: () => void child.kill('SIGKILL'),
    words: () => said.trim(),
  };
}
