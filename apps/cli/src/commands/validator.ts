/** `celium validator run`: a validator as a process of its own. */

import { join } from 'node:path';
import { buildCommand, buildRouteMap } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { marketUrlOf } from '../market/connect.ts';
import { answersInJson } from '../output/result.ts';
import { runInForeground } from '../programs/foreground.ts';
import { ensureHotkey } from '../wallet/hotkey.ts';
import { describe, jsonFlag, marketFlag, parsePort, type ClientFlags } from './flags.ts';
import { allowPrivateFlag, chainFlag, chainUrlOf, passOn, stateFlag, stateFolderOf } from './serve.ts';
import { hotkeyFlags, type HotkeyFlags } from './wallet-flags.ts';

interface RunFlags extends ClientFlags, HotkeyFlags {
  state?: string | undefined;
  port?: number | undefined;
  chain?: string | undefined;
  allowPrivate?: boolean | undefined;
  once?: boolean | undefined;
}

const runCommand = buildCommand<RunFlags, [], CliContext>({
  async func(flags) {
    const state = stateFolderOf(this, flags.state, 'validator');
    const hotkey = await ensureHotkey({ ...flags, fallbackFolder: join(state, 'wallets') });
    const args = passOn({
      state,
      'hotkey-file': hotkey.path,
      chain: chainUrlOf(this, flags.chain),
      market: marketUrlOf(this, flags.market),
      port: flags.port,
      'allow-private': flags.allowPrivate,
      once: flags.once,
      json: true,
    });
    await runInForeground(this, 'validator', {
      args,
      json: answersInJson(this, flags.json),
      onReady: (fields) =>
        `validator ready\n  hotkey   ${hotkey.ss58}\n  receipts ${String(fields['url'] ?? '')}\n  stop     Ctrl-C\n`,
    });
  },
  parameters: {
    flags: {
      json: jsonFlag,
      market: marketFlag,
      state: stateFlag,
      port: {
        kind: 'parsed',
        parse: parsePort,
        placeholder: 'port',
        brief: 'Port of its public API; 7760 by default',
        optional: true,
      },
      chain: chainFlag,
      ...hotkeyFlags,
      allowPrivate: allowPrivateFlag,
      once: { kind: 'boolean', brief: 'Check every machine once, then end', optional: true, withNegated: false },
    },
  },
  docs: {
    brief: 'Verify machines and set weights',
    fullDescription: describe(
      'Leases machines, challenges them over SSH, audits the answers, signs receipts, publishes them and sets weights. It needs no GPU. Without --wallet and --hotkey it makes a hotkey in its state folder; on a real chain that key must be registered and have a validator permit.',
      [
        ['celium validator run', 'with a hotkey of its own'],
        ['celium validator run --wallet main --hotkey val', 'with a wallet of btcli'],
        ['celium validator run --once', 'one round, for a look'],
      ],
    ),
  },
});

export const validatorRoutes = buildRouteMap({
  routes: { run: runCommand },
  docs: { brief: 'Verify machines and set weights' },
});
