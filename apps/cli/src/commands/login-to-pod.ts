/** `celium ssh`, `celium exec` and `celium logs`: into a pod, and what it said. */

import { buildCommand } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import { printableLines } from '@celium/domain';
import type { CliContext } from '../context.ts';
import { awaitRunning } from '../market/await-running.ts';
import { connectAsAccount } from '../market/connect.ts';
import { findRental } from '../market/match-id.ts';
import { answersInJson, writeResult } from '../output/result.ts';
import { foldersOf } from '../settings/folders.ts';
import {
  explainSshFailure,
  isSshFailure,
  ownIdentities,
  quoteForRemoteShell,
  runSsh,
  sshArguments,
  type SshOptions,
} from '../ssh/open-ssh.ts';
import { pinTarget, writeKnownHosts, type PinnedTarget } from '../ssh/pinned-target.ts';
import { clientFlags, describe, marketFlag, parseCount, type ClientFlags } from './flags.ts';

interface ExecFlags {
  market?: string | undefined;
  identity?: string | undefined;
}

interface SshFlags extends ExecFlags {
  print?: boolean | undefined;
}

const identityFlag = {
  kind: 'parsed',
  parse: String,
  placeholder: 'file',
  brief: 'Private key to log in with, besides your own',
  optional: true,
} as const;

const podAndCommand = {
  kind: 'array',
  minimum: 1,
  parameter: { parse: String, placeholder: 'pod', brief: 'Pod, by id or its beginning; then -- and a command' },
} as const;

export const sshCommand = buildCommand<SshFlags, string[], CliContext>({
  async func(flags, pod, ...command) {
    const { target, options } = await reach(this, flags, pod as string);
    const args = sshArguments(target, options, command);
    if (flags.print === true) {
      this.process.stdout.write(`${['ssh', ...args].map(quoteForRemoteShell).join(' ')}\n`);
      return;
    }
    await logIn(this, target, args);
  },
  parameters: {
    flags: {
      market: marketFlag,
      identity: identityFlag,
      print: {
        kind: 'boolean',
        brief: 'Print the ssh command instead of running it',
        optional: true,
        withNegated: false,
      },
    },
    aliases: { i: 'identity' },
    positional: podAndCommand,
  },
  docs: {
    brief: 'Log in to a pod',
    customUsage: ['POD', 'POD -- COMMAND...', '--print POD'],
    fullDescription: describe(
      'Opens your own OpenSSH client. The only host key that is accepted is the one in the grant, which the offer’s machine has signed; no question is asked about it. The exit status is that of ssh.',
      [
        ['celium ssh 3f2a', 'a shell'],
        ['celium ssh 3f2a -- nproc', 'one command, joined as ssh does'],
        ['celium ssh 3f2a --print', 'the ssh command line, for scp, rsync or an editor'],
      ],
    ),
  },
});

export const execCommand = buildCommand<ExecFlags, string[], CliContext>({
  async func(flags, pod, ...command) {
    if (command.length === 0) {
      throw new CeliumError('USAGE', 'There is no command: write celium exec POD -- COMMAND.');
    }
    const { target, options } = await reach(this, flags, pod as string);
    const quoted = command.map(quoteForRemoteShell);
    await logIn(this, target, sshArguments(target, { ...options, terminal: 'none', batch: true }, quoted));
  },
  parameters: {
    flags: { market: marketFlag, identity: identityFlag },
    aliases: { i: 'identity' },
    positional: podAndCommand,
  },
  docs: {
    brief: 'Run one command in a pod',
    customUsage: ['POD -- COMMAND...'],
    fullDescription: describe(
      'Runs one command without a terminal, each argument as it is, and ends with the exit status of the command (255: the login itself failed).',
      [
        ['celium exec 3f2a -- uname -a', 'print what runs there'],
        [`celium exec 3f2a -- sh -c 'nvidia-smi | head'`, 'a pipe inside the pod'],
        ['tar c src | celium exec 3f2a -- tar x', 'copy a folder into the pod'],
      ],
    ),
  },
});

async function reach(
  context: CliContext,
  flags: ExecFlags,
  pod: string,
): Promise<{ target: PinnedTarget; options: SshOptions }> {
  const client = connectAsAccount(context, flags.market);
  const found = await findRental(client, pod);
  const waits = found.state === 'reserved' || found.state === 'starting';
  const rental = waits ? await awaitRunning(context, client, found) : found;
  const target = await pinTarget(client, rental);
  const { config } = foldersOf(context.process.env);
  const identityFiles = [...(flags.identity === undefined ? [] : [flags.identity]), ...ownIdentities(config)];
  return { target, options: { knownHostsFile: writeKnownHosts(config, target), identityFiles } };
}

async function logIn(context: CliContext, target: PinnedTarget, args: readonly string[]): Promise<void> {
  const status = await runSsh(args);
  if (isSshFailure(status)) {
    const reason = await explainSshFailure(target);
    if (reason !== null) throw reason;
  }
  context.process.exitCode = status;
}

interface LogsFlags extends ClientFlags {
  tail?: number | undefined;
}

export const logsCommand = buildCommand<LogsFlags, [string], CliContext>({
  async func(flags, pod) {
    const client = connectAsAccount(this, flags.market);
    const rental = await findRental(client, pod);
    const query = flags.tail === undefined ? {} : { tail: flags.tail };
    const { text } = await client.call('getLogs', { params: { rentalId: rental.rentalId }, query });
    // Logs are text wherever they go: only an explicit --json wraps them. The machine's host could have written them, so a terminal gets no controls.
    if (flags.json === true && answersInJson(this, flags.json)) return writeResult(this, true, { text }, () => text);
    const shown = this.process.stdout.isTTY === true ? printableLines(text) : text;
    this.process.stdout.write(shown.endsWith('\n') || shown === '' ? shown : `${shown}\n`);
  },
  parameters: {
    flags: {
      ...clientFlags,
      tail: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'lines',
        brief: 'How many lines; 200 by default',
        optional: true,
      },
    },
    aliases: { n: 'tail' },
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'pod', brief: 'Pod, by id or its beginning' }],
    },
  },
  docs: {
    brief: 'Print what a pod’s first process said',
    fullDescription: describe('Prints the newest output of the pod’s first process, oldest line first.', [
      ['celium logs 3f2a', 'the last 200 lines'],
      ['celium logs 3f2a --tail 20', 'the last 20'],
    ]),
  },
});
