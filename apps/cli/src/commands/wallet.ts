/** `celium wallet ...`: keys in btcli's files. */

import { randomBytes } from 'node:crypto';
import {
  defaultWalletsFolder,
  generateKey,
  listWallets,
  readColdkey,
  readHotkey,
  toHex,
  walletPaths,
  writeColdkey,
  writeHotkey,
  type KeyPair,
} from '@celium/chain';
import { buildCommand, buildRouteMap } from '@stricli/core';
import { CeliumError } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { writeResult } from '../output/result.ts';
import { formatFields, formatTable } from '../output/table.ts';
import { describe, jsonFlag, type OutputFlags } from './flags.ts';
import { coldkeyPassword, hotkeyFlags } from './wallet-flags.ts';

interface WalletFlags extends OutputFlags {
  walletPath?: string | undefined;
}

const walletFlags = { json: jsonFlag, walletPath: hotkeyFlags.walletPath };

const namePositional = {
  kind: 'tuple',
  parameters: [{ parse: String, placeholder: 'wallet', brief: 'Name of the wallet' }],
} as const;

interface NewFlags extends WalletFlags {
  hotkey?: string | undefined;
  noPassword?: boolean | undefined;
}

const newCommand = buildCommand<NewFlags, [string], CliContext>({
  async func(flags, name) {
    const paths = walletPaths(flags.walletPath ?? defaultWalletsFolder(), name);
    const password = flags.noPassword === true ? null : await newPassword(this);
    const coldkey = generateKey({ randomBytes });
    const hotkey = generateKey({ randomBytes });
    const hotkeyName = flags.hotkey ?? 'default';
    await writeColdkey(paths, coldkey, password, { randomBytes });
    await writeHotkey(paths, hotkeyName, hotkey, { randomBytes });
    const phrase = (key: KeyPair): string => key.revealSecrets().mnemonic ?? '';
    const made = {
      folder: paths.folder,
      coldkey: { ss58: coldkey.ss58, mnemonic: phrase(coldkey) },
      hotkey: { name: hotkeyName, ss58: hotkey.ss58, mnemonic: phrase(hotkey) },
    };
    writeResult(
      this,
      flags.json,
      made,
      () =>
        `${formatFields([
          ['folder', made.folder],
          ['coldkey', made.coldkey.ss58],
          ['  phrase', made.coldkey.mnemonic],
          ['hotkey', made.hotkey.ss58],
          ['  phrase', made.hotkey.mnemonic],
        ])}Write both phrases down: they are shown this once, and they are the keys.\n`,
    );
  },
  parameters: {
    flags: {
      ...walletFlags,
      hotkey: {
        kind: 'parsed',
        parse: String,
        placeholder: 'name',
        brief: 'Name of the hotkey; default by default',
        optional: true,
      },
      noPassword: { kind: 'boolean', brief: 'Leave the coldkey unencrypted', optional: true, withNegated: false },
    },
    positional: namePositional,
  },
  docs: {
    brief: 'Make a wallet: a coldkey and a hotkey',
    fullDescription: describe('Makes a coldkey (encrypted) and a hotkey in the files that btcli reads.', [
      ['celium wallet new main', 'asks for a password'],
      ['CELIUM_WALLET_PASSWORD=... celium wallet new main --hotkey val', 'for a program'],
    ]),
  },
});

async function newPassword(context: CliContext): Promise<string> {
  const given = context.process.env['CELIUM_WALLET_PASSWORD'];
  if (given !== undefined && given !== '') return given;
  if (!context.isInteractive) {
    throw new CeliumError(
      'USAGE',
      'Nobody can be asked for a password here: set CELIUM_WALLET_PASSWORD, or give --no-password.',
    );
  }
  const first = await context.ask.password('A password for the coldkey');
  if (first === '')
    throw new CeliumError('USAGE', 'An empty password protects nothing: give --no-password if that is meant.');
  if (first !== (await context.ask.password('The same password again'))) {
    throw new CeliumError('USAGE', 'The two passwords differ; nothing was made.');
  }
  return first;
}

const listCommand = buildCommand<WalletFlags, [], CliContext>({
  async func(flags) {
    const folder = flags.walletPath ?? defaultWalletsFolder();
    const wallets = await listWallets(folder);
    writeResult(this, flags.json, wallets, () => {
      if (wallets.length === 0) return `No wallets in ${folder}. Make one with \`celium wallet new NAME\`.\n`;
      const rows = wallets.flatMap((wallet) => [
        [wallet.name, 'coldkey', wallet.coldkey ?? 'unreadable'],
        ...wallet.hotkeys.map((hotkey) => ['', `hotkey ${hotkey.name}`, hotkey.ss58 ?? 'unreadable']),
      ]);
      return formatTable([{ title: 'WALLET' }, { title: 'KEY' }, { title: 'ADDRESS' }], rows);
    });
  },
  parameters: { flags: walletFlags },
  docs: {
    brief: 'List wallets',
    fullDescription: describe('Lists wallets and their addresses. No password is needed.', [
      ['celium wallet list', ''],
    ]),
  },
});

const showCommand = buildCommand<WalletFlags, [string], CliContext>({
  async func(flags, name) {
    const folder = flags.walletPath ?? defaultWalletsFolder();
    const wallet = (await listWallets(folder)).find((one) => one.name === name);
    if (wallet === undefined) throw new CeliumError('BAD_WALLET', `There is no wallet ${name} in ${folder}.`);
    writeResult(this, flags.json, wallet, () =>
      formatFields([
        ['wallet', wallet.name],
        ['coldkey', wallet.coldkey ?? 'unreadable'],
        ...wallet.hotkeys.map((hotkey) => [`hotkey ${hotkey.name}`, hotkey.ss58 ?? 'unreadable'] as const),
      ]),
    );
  },
  parameters: { flags: walletFlags, positional: namePositional },
  docs: {
    brief: 'Show the addresses of a wallet',
    fullDescription: describe('Shows the addresses of one wallet.', [['celium wallet show main', '']]),
  },
});

interface SignFlags extends WalletFlags {
  hotkey?: string | undefined;
}

const signCommand = buildCommand<SignFlags, [string, string], CliContext>({
  async func(flags, name, message) {
    const paths = walletPaths(flags.walletPath ?? defaultWalletsFolder(), name);
    const key =
      flags.hotkey === undefined
        ? await readColdkey(paths, { password: () => coldkeyPassword(this) })
        : await readHotkey(paths, flags.hotkey);
    const signature = toHex(await key.sign(new TextEncoder().encode(message)));
    const signed = { ss58: key.ss58, message, signature };
    writeResult(this, flags.json, signed, () =>
      formatFields([
        ['address', key.ss58],
        ['message', message],
        ['signature', signature],
      ]),
    );
  },
  parameters: {
    flags: { ...walletFlags, hotkey: { ...hotkeyFlags.hotkey, brief: 'Sign with this hotkey instead of the coldkey' } },
    positional: {
      kind: 'tuple',
      parameters: [
        { parse: String, placeholder: 'wallet', brief: 'Name of the wallet' },
        { parse: String, placeholder: 'message', brief: 'Text to sign, as UTF-8' },
      ],
    },
  },
  docs: {
    brief: 'Sign a message',
    fullDescription: describe('Signs a text with a key of a wallet (sr25519, context substrate).', [
      ['celium wallet sign main "I am me"', 'with the coldkey; asks for its password'],
      ['celium wallet sign main "I am me" --hotkey default', 'with a hotkey'],
    ]),
  },
});

export const walletRoutes = buildRouteMap({
  routes: { new: newCommand, list: listCommand, show: showCommand, sign: signCommand },
  docs: { brief: 'Keys in the files of btcli' },
});
