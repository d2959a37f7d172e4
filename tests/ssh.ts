/** The machine's own OpenSSH client against a pod, its host key pinned. */

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';

export interface SshTarget {
  host: string;
  port: number;
  /** `ssh-ed25519 AAAA...` of the grant. */
  hostKey: string;
  keyFile: string;
  knownHostsFile: string;
}

/** Runs one command in the pod; resolves with status and output. */
export async function sshRun(
  target: SshTarget,
  command: string,
  timeoutMs = 20_000,
): Promise<{ exit: number | null; stdout: string; stderr: string }> {
  await writeFile(target.knownHostsFile, `[${target.host}]:${target.port} ${target.hostKey}\n`);
  const child = spawn(
    'ssh',
    [
      '-F',
      'none',
      '-i',
      target.keyFile,
      '-p',
      String(target.port),
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=yes',
      '-o',
      `UserKnownHostsFile=${target.knownHostsFile}`,
      '-o',
      'ConnectTimeout=5',
      `root@${target.host}`,
      command,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs },
  );
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
  const exit = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exit, stdout, stderr };
}

/** Waits until an SSH server greets on a port, trying every few milliseconds. */
export async function untilSshBanner(host: string, port: number, timeoutMs = 30_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (await greets(host, port)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no SSH server greeted at ${host}:${port} within ${timeoutMs} ms`);
}

async function greets(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 });
    const answer = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('data', (chunk) => answer(chunk.toString('latin1').startsWith('SSH-')));
    socket.once('error', () => answer(false));
    socket.once('timeout', () => answer(false));
    socket.once('close', () => answer(false));
  });
}
