/** Lets a validator's one-time key into a pod and takes it out again, over the renter's own login. Fixed commands; the key travels as input. */

import { spawn } from 'node:child_process';
import { CeliumError } from '@celium/contract';
import type { KeyDoor } from './ask-validator.ts';

const TIMEOUT_MS = 30_000;
const FILE = '"$HOME/.ssh/authorized_keys"';

/** A last line without its end gets one first. */
const LET_IN = `umask 077; mkdir -p "$HOME/.ssh"; [ -z "$(tail -c 1 ${FILE} 2>/dev/null)" ] || echo >>${FILE}; cat >>${FILE}`;
/** `cat` instead of `mv` keeps owner, mode and whatever the file is mounted from; a file that held nothing else goes. */
const TAKE_OUT = `umask 077; k=$(cat); grep -vxF -e "$k" ${FILE} >${FILE}.celium; cat ${FILE}.celium >${FILE}; rm -f ${FILE}.celium; [ -s ${FILE} ] || rm -f ${FILE}`;

/** `sshWith(command)` gives the arguments of `ssh` for a command in the pod, without a terminal. */
export function openKeyDoor(sshWith: (command: string) => string[]): KeyDoor {
  return {
    letIn: (sshKey) => feed(sshWith(LET_IN), `${sshKey}\n`, 'let in'),
    takeOut: (sshKey) => feed(sshWith(TAKE_OUT), `${sshKey}\n`, 'taken out'),
  };
}

function feed(args: readonly string[], input: string, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('ssh', args, { stdio: ['pipe', 'ignore', 'pipe'], timeout: TIMEOUT_MS });
    let words = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words = `${words}${text}`.slice(-500)));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const fail = (why: string): void =>
      reject(
        new CeliumError('AGENT_UNAVAILABLE', `The validator's key could not be ${what}: ${why}.`, {
          details: { remedy: 'Log in with `celium ssh` and look at ~/.ssh/authorized_keys.' },
        }),
      );
    child.once('error', (fault) => fail(fault.message));
    child.once('close', (status) => (status === 0 ? resolve() : fail(words.trim() || `status ${status}`)));
  });
}
