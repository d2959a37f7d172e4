/** `celium login` and `celium signup`: an account at a market, and its key on this machine. */

import { buildCommand } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { connectAsStranger } from '../market/connect.ts';
import { writeResult } from '../output/result.ts';
import { credentialsPath, saveLogin } from '../settings/credentials.ts';
import { foldersOf } from '../settings/folders.ts';
import { clientFlags, describe, type ClientFlags } from './flags.ts';

interface AccountFlags extends ClientFlags {
  email?: string | undefined;
  passwordStdin?: boolean | undefined;
}

interface LoginFlags extends AccountFlags {
  new?: boolean | undefined;
}

const accountFlags = {
  ...clientFlags,
  email: { kind: 'parsed', parse: String, placeholder: 'address', brief: 'Your e-mail address', optional: true },
  passwordStdin: {
    kind: 'boolean',
    brief: 'Read the password from standard input; else CELIUM_PASSWORD, else you are asked',
    optional: true,
    withNegated: false,
  },
} as const;

export const loginCommand = buildCommand<LoginFlags, [], CliContext>({
  async func(flags) {
    await enter(this, flags, flags.new === true);
  },
  parameters: {
    flags: {
      ...accountFlags,
      new: {
        kind: 'boolean',
        brief: 'Make a new account (the same as celium signup)',
        optional: true,
        withNegated: false,
      },
    },
  },
  docs: {
    brief: 'Log in to a market',
    fullDescription: describe('Logs in and keeps the new API key in a file that only you can read.', [
      ['celium login', 'asks for address and password'],
      ['celium login --new', 'makes an account first'],
      ['celium login --market https://market.example --email me@example.org', 'at another market'],
    ]),
  },
});

export const signupCommand = buildCommand<AccountFlags, [], CliContext>({
  async func(flags) {
    await enter(this, flags, true);
  },
  parameters: { flags: accountFlags },
  docs: {
    brief: 'Make an account at a market and log in',
    fullDescription: describe(
      'Makes an account with an e-mail address and a password of at least 10 characters. No other question is asked.',
      [
        ['celium signup', 'asks for address and password'],
        ['celium signup --email me@example.org --password-stdin < secret.txt', 'for a program'],
      ],
    ),
  },
});

async function enter(context: CliContext, flags: AccountFlags, isNew: boolean): Promise<void> {
  const client = connectAsStranger(context, flags.market);
  const email = flags.email ?? (await askFor(context, '--email', () => context.ask.text('E-mail address')));
  const password = await passwordOf(context, flags, isNew);
  const session = await client.call(isNew ? 'signUp' : 'logIn', { body: { email, password } });
  const { config } = foldersOf(context.process.env);
  saveLogin(config, client.baseUrl, { email: session.email, apiKey: session.apiKey });
  const kept = {
    market: client.baseUrl,
    email: session.email,
    accountId: session.accountId,
    keyFile: credentialsPath(config),
  };
  writeResult(context, flags.json, kept, () => {
    const next = isNew ? 'Next: `celium keys add` so that pods let you in, then `celium ls`.\n' : '';
    return `Logged in to ${client.baseUrl} as ${session.email}. The key is in ${kept.keyFile}.\n${next}`;
  });
}

async function passwordOf(context: CliContext, flags: AccountFlags, isNew: boolean): Promise<string> {
  if (flags.passwordStdin === true) return (await context.readStdin()).replace(/\r?\n$/, '');
  const given = context.process.env['CELIUM_PASSWORD'];
  if (given !== undefined && given !== '') return given;
  const question = isNew ? 'A password of at least 10 characters' : 'Password';
  return await askFor(context, '--password-stdin', () => context.ask.password(question));
}

async function askFor(context: CliContext, flag: string, ask: () => Promise<string>): Promise<string> {
  if (!context.isInteractive) {
    throw new CeliumError('USAGE', `Nobody can be asked here: give ${flag}.`);
  }
  return await ask();
}
