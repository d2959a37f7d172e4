/** `celium serve` and `celium devchain`: a market, and a local chain, each as a process of its own. */

import { join } from 'node:path';
import { buildCommand } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { answersInJson } from '../output/result.ts';
import { runInForeground } from '../programs/foreground.ts';
import { foldersOf } from '../settings/folders.ts';
import { describe, jsonFlag, parseCount, parsePort, type OutputFlags } from './flags.ts';

/** The chain that programs use unless told otherwise: `celium devchain` on this machine. */
export const DEFAULT_CHAIN_URL = 'http://127.0.0.1:7744';

export const stateFlag = {
  kind: 'parsed',
  parse: String,
  placeholder: 'dir',
  brief: 'Folder for its state; a folder in your XDG data folder by default',
  optional: true,
} as const;

export const chainFlag = {
  kind: 'parsed',
  parse: String,
  placeholder: 'url',
  brief:
    'Address of the chain, or of live nodes: ws://a,wss://b#netuid=51; else CELIUM_CHAIN_WS, else a devchain on this machine',
  optional: true,
} as const;

export const allowPrivateFlag = {
  kind: 'boolean',
  brief: 'Accept private and loopback addresses of machines (for one machine or one network)',
  optional: true,
  withNegated: false,
} as const;

/** The address of the chain by flag, environment, default. */
export function chainUrlOf(context: CliContext, flag: string | undefined): string {
  return flag ?? context.process.env['CELIUM_CHAIN_WS'] ?? DEFAULT_CHAIN_URL;
}

/** The state folder of one program. */
export function stateFolderOf(context: CliContext, flag: string | undefined, program: string): string {
  return flag ?? join(foldersOf(context.process.env).state, program);
}

/** `--name value` for every flag that has a value. */
export function passOn(
  flags: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>,
): string[] {
  return Object.entries(flags).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    if (value === true) return [`--${name}`];
    const values = typeof value === 'object' ? value : [String(value)];
    // A value that begins with a minus would be read as another flag.
    return values.flatMap((one) => (one.startsWith('-') ? [`--${name}=${one}`] : [`--${name}`, one]));
  });
}

interface ServeFlags extends OutputFlags {
  state?: string | undefined;
  port?: number | undefined;
  host?: string | undefined;
  chain?: string | undefined;
  netuid?: number | undefined;
  allowPrivate?: boolean | undefined;
  receiptAgeMs?: string | undefined;
}

export const serveCommand = buildCommand<ServeFlags, [], CliContext>({
  async func(flags) {
    const json = answersInJson(this, flags.json);
    const state = stateFolderOf(this, flags.state, 'market');
    const args = passOn({
      state,
      port: flags.port,
      host: flags.host,
      chain: chainUrlOf(this, flags.chain),
      netuid: flags.netuid,
      'allow-private': flags.allowPrivate,
      'receipt-age-ms': flags.receiptAgeMs,
      json: true,
    });
    await runInForeground(this, 'market', {
      args,
      json,
      onReady: (fields) =>
        `market ready at ${String(fields['url'] ?? '')}\n  state    ${state}\n  try      celium signup --market ${String(fields['url'] ?? '')}\n  stop     Ctrl-C\n`,
    });
  },
  parameters: {
    flags: {
      json: jsonFlag,
      state: stateFlag,
      port: {
        kind: 'parsed',
        parse: parsePort,
        placeholder: 'port',
        brief: 'Port of the API; 7740 by default',
        optional: true,
      },
      host: {
        kind: 'parsed',
        parse: String,
        placeholder: 'address',
        brief: 'Address to listen on; 127.0.0.1 by default',
        optional: true,
      },
      chain: chainFlag,
      netuid: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'number',
        brief: 'Subnet; 51 by default',
        optional: true,
      },
      allowPrivate: allowPrivateFlag,
      receiptAgeMs: {
        kind: 'parsed',
        parse: String,
        placeholder: 'ms',
        brief: 'How old a receipt may be when units are handed over; by class otherwise (2.5 to 6 hours)',
        optional: true,
      },
    },
  },
  docs: {
    brief: 'Run a market',
    fullDescription: describe(
      'Runs a market: HTTP API, gateway for agents, workers. The database is DATABASE_URL, else postgres >= 15 on the path, else an embedded one in the state folder. Runs until Ctrl-C or SIGTERM; started again, it goes on where it was.',
      [
        ['celium serve', 'on http://127.0.0.1:7740'],
        ['celium serve --host 0.0.0.0 --port 80 --chain wss://entrypoint.example', 'for the world'],
        ['celium serve --state /tmp/m --allow-private', 'a market to play with'],
      ],
    ),
  },
});

interface DevchainFlags extends OutputFlags {
  state?: string | undefined;
  port?: number | undefined;
  blockMs?: number | undefined;
  tempo?: number | undefined;
  commitReveal?: number | undefined;
  emission?: boolean | undefined;
}

export const devchainCommand = buildCommand<DevchainFlags, [], CliContext>({
  async func(flags) {
    const state = stateFolderOf(this, flags.state, 'devchain');
    const args = passOn({
      state,
      port: flags.port ?? 7744,
      'block-ms': flags.blockMs ?? 12_000,
      tempo: flags.tempo,
      'commit-reveal': flags.commitReveal,
      emission: flags.emission,
      json: true,
    });
    await runInForeground(this, 'devchain', {
      args,
      json: answersInJson(this, flags.json),
      onReady: (fields) => `devchain ready at ${String(fields['url'] ?? '')}\n  stop     Ctrl-C\n`,
    });
  },
  parameters: {
    flags: {
      json: jsonFlag,
      state: stateFlag,
      port: { kind: 'parsed', parse: parsePort, placeholder: 'port', brief: 'Port; 7744 by default', optional: true },
      blockMs: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'ms',
        brief: 'Time between blocks; 12000 by default',
        optional: true,
      },
      tempo: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'blocks',
        brief: 'Blocks between epochs, at which permits are given; 360 by default',
        optional: true,
      },
      commitReveal: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'epochs',
        brief: 'Weights are committed, and revealed so many epochs later; set plainly by default',
        optional: true,
      },
      emission: {
        kind: 'boolean',
        brief: 'Issue an alpha per block and pay it at epochs: 41 % miners, 41 % validators, 18 % owner',
        optional: true,
        withNegated: false,
      },
    },
  },
  docs: {
    brief: 'Run a chain of your own for development',
    fullDescription: describe(
      'Runs a small chain on this machine with the parts of Bittensor that Celium uses: registration, neurons, stake, blocks, weights, epochs. It holds no real money and is never reachable from outside.',
      [
        ['celium devchain', 'a block every 12 seconds, as on the real chain'],
        ['celium devchain --block-ms 500 --tempo 20', 'faster: an epoch every 10 seconds'],
      ],
    ),
  },
});
