/** `celium keys add|ls|rm`: the SSH public keys that pods let in. */

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { buildCommand, buildRouteMap } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import { parseSshPublicKey } from '@celium/domain';
import type { CallReply } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { connectAsAccount } from '../market/connect.ts';
import { matchId } from '../market/match-id.ts';
import { formatTime, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { formatTable } from '../output/table.ts';
import { foldersOf } from '../settings/folders.ts';
import { makeSshKey, ownIdentityPath } from '../ssh/open-ssh.ts';
import { clientFlags, describe, type ClientFlags } from './flags.ts';

/** Where OpenSSH keeps a person's keys, best first. */
const USUAL_KEYS = ['id_ed25519.pub', 'id_ecdsa.pub', 'id_rsa.pub'];
/** No public key is larger; a larger file is not read. */
const MAX_KEY_FILE_CHARACTERS = 16_384;

interface AddFlags extends ClientFlags {
  name?: string | undefined;
  new?: boolean | undefined;
}

const addCommand = buildCommand<AddFlags, [string?], CliContext>({
  async func(flags, file) {
    const client = connectAsAccount(this, flags.market);
    const path = flags.new === true ? await newKey(this) : (file ?? usualKey());
    const text = path === '-' ? await this.readStdin() : readKeyFile(path);
    const parsed = parseSshPublicKey(text);
    if (!parsed.ok)
      throw new CeliumError(
        'BAD_SSH_KEY',
        `${path === '-' ? 'What came in' : path} is no SSH public key: ${parsed.why}.`,
      );
    const name = flags.name ?? (path === '-' ? 'key' : `${basename(path, '.pub')}@${hostname()}`.slice(0, 100));
    const key = await client.call('addSshKey', { body: { name, publicKey: parsed.line } });
    writeResult(
      this,
      flags.json,
      key,
      () => `Added ${key.name} (${key.fingerprint}). Pods rented from now on let it in.\n`,
    );
  },
  parameters: {
    flags: {
      ...clientFlags,
      name: { kind: 'parsed', parse: String, placeholder: 'name', brief: 'What to call it', optional: true },
      new: { kind: 'boolean', brief: 'Make a new key for celium on this machine', optional: true, withNegated: false },
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: String,
          placeholder: 'file',
          brief: 'Public key file, or - for standard input; your usual key by default',
          optional: true,
        },
      ],
    },
  },
  docs: {
    brief: 'Let an SSH key into your pods',
    fullDescription: describe(
      'Adds a public key to your account. Without a file it takes ~/.ssh/id_ed25519.pub or the next usual one.',
      [
        ['celium keys add', 'your usual key'],
        ['celium keys add --new', 'a fresh key, which celium ssh then uses by itself'],
        ['celium keys add work.pub --name work', 'this file'],
      ],
    ),
  },
});

async function newKey(context: CliContext): Promise<string> {
  const path = ownIdentityPath(foldersOf(context.process.env).config);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    await makeSshKey(path, `celium@${hostname()}`);
  }
  return `${path}.pub`;
}

function usualKey(): string {
  const folder = join(homedir(), '.ssh');
  const found = USUAL_KEYS.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new CeliumError('NO_SSH_KEY', `There is no public key in ${folder}.`, {
    details: { remedy: 'Make one with `celium keys add --new`, or name a file.' },
  });
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, MAX_KEY_FILE_CHARACTERS + 1);
  } catch (fault) {
    throw new CeliumError(
      'BAD_SSH_KEY',
      `${path} cannot be read (${(fault as { code?: string }).code ?? 'unknown'}).`,
      { cause: fault },
    );
  }
}

type SshKey = CallReply<'listSshKeys'>['keys'][number];

const lsCommand = buildCommand<ClientFlags, [], CliContext>({
  async func(flags) {
    const { keys } = await connectAsAccount(this, flags.market).call('listSshKeys');
    writeResult(this, flags.json, keys, () => describeKeys(keys));
  },
  parameters: { flags: clientFlags },
  docs: {
    brief: 'List your SSH keys',
    fullDescription: describe('Lists the public keys that new pods let in.', [['celium keys ls', '']]),
  },
});

function describeKeys(keys: readonly SshKey[]): string {
  if (keys.length === 0) return 'No SSH keys yet: pods would let nobody in. Add one with `celium keys add`.\n';
  const rows = keys.map((key) => [shortId(key.id), key.name, key.fingerprint, formatTime(key.createdAtMs)]);
  return formatTable([{ title: 'KEY' }, { title: 'NAME' }, { title: 'FINGERPRINT' }, { title: 'ADDED (UTC)' }], rows);
}

const rmCommand = buildCommand<ClientFlags, string[], CliContext>({
  async func(flags, ...typed) {
    const client = connectAsAccount(this, flags.market);
    const { keys } = await client.call('listSshKeys');
    const missing = { code: 'NOT_FOUND', what: 'SSH key of yours' } as const;
    const found = typed.map((id) => matchId(keys, id, (key) => key.id, missing));
    for (const key of found) await client.call('removeSshKey', { params: { keyId: key.id } });
    writeResult(this, flags.json, found, () =>
      found.map((key) => `Removed ${key.name} (${key.fingerprint}).\n`).join(''),
    );
  },
  parameters: {
    flags: clientFlags,
    positional: {
      kind: 'array',
      minimum: 1,
      parameter: { parse: String, placeholder: 'key', brief: 'Keys, by id or its beginning' },
    },
  },
  docs: {
    brief: 'Take SSH keys out of your account and out of running pods',
    fullDescription: describe('Removes public keys. Pods that run take them out too.', [['celium keys rm 9c1e', '']]),
  },
});

export const keysRoutes = buildRouteMap({
  routes: { add: addCommand, ls: lsCommand, rm: rmCommand },
  docs: { brief: 'SSH keys that your pods let in' },
});
