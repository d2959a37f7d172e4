/** Runs the machine's own OpenSSH client against a pinned pod, and finds out why a login did not work. */

import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CeliumError } from '@celium/contract';
import { pinnedSshOptions } from '@celium/sdk';
import { faultWithRemedy } from '../output/failure.ts';
import type { PinnedTarget } from './pinned-target.ts';

/** What `ssh` exits with when it could not connect or log in. */
const SSH_FAILED = 255;
const KEYSCAN_TIMEOUT_MS = 10_000;

export interface SshOptions {
  knownHostsFile: string;
  /** Private keys to offer besides the user's own. */
  identityFiles: readonly string[];
  /** Ask for a terminal, or forbid one; by default OpenSSH decides. */
  terminal?: 'force' | 'none';
  /** Never ask a person anything. */
  batch?: boolean;
  /** Give up connecting after this many seconds. */
  connectTimeoutSeconds?: number;
}

/** The arguments of `ssh`: what pins the pod's host key, then what the caller wants. */
export function sshArguments(target: PinnedTarget, options: SshOptions, command: readonly string[] = []): string[] {
  const pod = { ...target, ...options, connectTimeoutSeconds: options.connectTimeoutSeconds ?? 15 };
  return [
    pinnedSshOptions(pod).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    options.batch === true ? ['-o', 'BatchMode=yes'] : [],
    options.identityFiles.flatMap((file) => ['-i', file]),
    options.terminal === 'force' ? ['-t'] : [],
    options.terminal === 'none' ? ['-T'] : [],
    ['-p', String(target.port), '-l', target.user, '--', target.host],
    command,
  ].flat();
}

/** Runs `ssh` with this process's own streams; answers its exit status. */
export async function runSsh(args: readonly string[]): Promise<number> {
  return await new Promise<number>((resolve, reject) => {
    const child = spawn('ssh', args, { stdio: 'inherit' });
    // Ctrl-C belongs to the remote side: OpenSSH passes it on, and tells us by its exit when it ends.
    const ignore = (): void => {};
    process.on('SIGINT', ignore);
    child.once('error', (fault) => {
      process.off('SIGINT', ignore);
      reject(noSshClient(fault));
    });
    child.once('close', (status, signal) => {
      process.off('SIGINT', ignore);
      resolve(status ?? (signal === null ? SSH_FAILED : 128));
    });
  });
}

/**
 * Why `ssh` ended with 255: asks the server for its key once more.
 *
 * @returns the error to show, or null when the server is there with the right key (so the login itself was refused, and `ssh` has said why)
 */
export async function explainSshFailure(target: PinnedTarget): Promise<CeliumError | null> {
  const seen = await scanHostKey(target);
  if (seen === null) {
    return new CeliumError('AGENT_UNAVAILABLE', `Nothing answers SSH on ${target.host} port ${target.port}.`);
  }
  if (seen === target.hostKey) return null;
  return new CeliumError(
    'HOST_KEY_MISMATCH',
    `${target.host} port ${target.port} shows another host key than the one in the grant of this pod.`,
  );
}

/** True for the exit status that OpenSSH keeps for its own failures. */
export function isSshFailure(status: number): boolean {
  return status === SSH_FAILED;
}

/** One argument for the shell at the other end, quoted so that it arrives as it was typed. */
export function quoteForRemoteShell(argument: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** Private keys that the CLI made itself (`celium keys add --new`). */
export function ownIdentities(configFolder: string): string[] {
  return [ownIdentityPath(configFolder)].filter((path) => existsSync(path));
}

/** Where `celium keys add --new` puts the key that it makes. */
export function ownIdentityPath(configFolder: string): string {
  return join(configFolder, 'ssh', 'id_ed25519');
}

/** Makes an ed25519 key pair without a passphrase; the public half lies beside it with `.pub`. */
export async function makeSshKey(path: string, comment: string): Promise<void> {
  const args = ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path];
  await new Promise<void>((resolve, reject) => {
    execFile('ssh-keygen', args, { timeout: KEYSCAN_TIMEOUT_MS }, (fault) =>
      fault === null ? resolve() : reject(noSshClient(fault)),
    );
  });
}

async function scanHostKey(target: PinnedTarget): Promise<string | null> {
  const [type = ''] = target.hostKey.split(' ');
  const args = ['-T', '5', '-p', String(target.port), '-t', type.replace(/^ssh-/, ''), '--', target.host];
  return await new Promise<string | null>((resolve) => {
    execFile('ssh-keyscan', args, { timeout: KEYSCAN_TIMEOUT_MS }, (_, stdout) => {
      const line = String(stdout)
        .split('\n')
        .find((one) => one.includes(` ${type} `));
      resolve(line === undefined ? null : line.split(' ').slice(1, 3).join(' '));
    });
  });
}

function noSshClient(fault: Error): Error {
  if ((fault as { code?: unknown }).code !== 'ENOENT') return fault;
  const remedy = 'Install it (Debian, Ubuntu: apt-get install openssh-client) and try again.';
  return faultWithRemedy('UNSUPPORTED', 'There is no OpenSSH client on this machine.', remedy, fault);
}
