/** One command in a pod by the machine's own OpenSSH client, its output kept instead of shown. */

import { execFile } from 'node:child_process';
import { CeliumError } from '@celium/contract';
import { sshArguments } from '../ssh/open-ssh.ts';
import type { PinnedTarget } from '../ssh/pinned-target.ts';

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1_048_576;

/** Runs it; answers what it printed. Throws `AGENT_UNAVAILABLE` with the words of `ssh` when it failed. */
export async function runQuietSsh(
  target: PinnedTarget,
  ssh: { knownHostsFile: string; identityFile: string },
  command: readonly string[],
): Promise<string> {
  const options = {
    knownHostsFile: ssh.knownHostsFile,
    identityFiles: [ssh.identityFile],
    terminal: 'none',
    batch: true,
  } as const;
  // The settings of whoever runs the demo must not change what is measured.
  const args = [
    '-F',
    'none',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'IdentitiesOnly=yes',
    ...sshArguments(target, options, command),
  ];
  return await new Promise<string>((resolve, reject) => {
    execFile('ssh', args, { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES }, (fault, stdout, stderr) => {
      if (fault === null) resolve(stdout);
      else
        reject(
          new CeliumError('AGENT_UNAVAILABLE', `ssh failed: ${stderr.trim().slice(-300) || fault.message}`, {
            cause: fault,
          }),
        );
    });
  });
}
