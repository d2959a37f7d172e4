/** `celium validator run`: a validator as a process of its own. */

import { join } from 'node:path';
import { buildCommand, buildRouteMap } from '@stricli/core';
import type { CliContext } from '../context.ts';
import { marketUrlOf } from '../market/connect.ts';
import { answersInJson, writeResult } from '../output/result.ts';
import { runInForeground } from '../programs/foreground.ts';
import { ensureColdkeyAddress, ensureHotkey } from '../wallet/hotkey.ts';
import { describe, jsonFlag, marketFlag, parsePort, parseTao, type ClientFlags } from './flags.ts';
import { allowPrivateFlag, chainFlag, chainUrlOf, passOn, stateFlag, stateFolderOf } from './serve.ts';
import { coldkeyPassword, hotkeyFlags, type HotkeyFlags } from './wallet-flags.ts';

interface RunFlags extends ClientFlags, HotkeyFlags {
  state?: string | undefined;
  port?: number | undefined;
  chain?: string | undefined;
  allowPrivate?: boolean | undefined;
  host?: string | undefined;
  axonIp?: string | undefined;
  recheckMs?: string | undefined;
  retryMs?: string | undefined;
  parallel?: string | undefined;
  auditThreads?: string | undefined;
  link?: string | undefined;
  decoyMail?: string | undefined;
  decoyRate?: string | undefined;
  decoyBudget?: string | undefined;
  decoyAddress?: readonly string[] | undefined;
  machineChecks?: boolean | undefined;
  machineRecheckMs?: string | undefined;
  diskBytes?: string | undefined;
  diskMs?: string | undefined;
  payloadBytes?: string | undefined;
  template?: readonly string[] | undefined;
  coordinates?: string | undefined;
  all?: boolean | undefined;
  once?: boolean | undefined;
}

const runCommand = buildCommand<RunFlags, [], CliContext>({
  async func(flags) {
    const state = stateFolderOf(this, flags.state, 'validator');
    const hotkey = await ensureHotkey({ ...flags, fallbackFolder: join(state, 'wallets') });
    const chainUrl = chainUrlOf(this, flags.chain);
    const json = answersInJson(this, flags.json);
    if (!json) await warnWithoutPermit(this, chainUrl, hotkey.ss58);
    const args = passOn({
      state,
      'hotkey-file': hotkey.path,
      chain: chainUrl,
      market: marketUrlOf(this, flags.market),
      port: flags.port,
      host: flags.host,
      'axon-ip': flags.axonIp,
      'allow-private': flags.allowPrivate,
      all: flags.all,
      'recheck-ms': flags.recheckMs,
      'retry-ms': flags.retryMs,
      parallel: flags.parallel,
      'audit-threads': flags.auditThreads,
      link: flags.link,
      'decoy-mail': flags.decoyMail,
      'decoy-rate': flags.decoyRate,
      'decoy-budget': flags.decoyBudget,
      'decoy-address': flags.decoyAddress,
      'machine-checks': flags.machineChecks,
      'machine-recheck-ms': flags.machineRecheckMs,
      'disk-bytes': flags.diskBytes,
      'disk-ms': flags.diskMs,
      'payload-bytes': flags.payloadBytes,
      template: flags.template,
      coordinates: flags.coordinates,
      once: flags.once,
      json: true,
    });
    await runInForeground(this, 'validator', {
      args,
      json,
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
      // The program itself checks these and says what is wrong with one.
      host: passedOn('address', 'Where its public API listens; 127.0.0.1 by default'),
      axonIp: passedOn('address', 'Address of the API as the chain is told it; that of --host by default'),
      recheckMs: passedOn(
        'ms',
        'Middle of the routine interval, drawn from two to four thirds of it; 90 minutes by default',
      ),
      retryMs: passedOn('ms', 'Time to the repetition of a failed check; 5 minutes by default, 10 at most'),
      parallel: passedOn('count', 'Machines checked at the same time; 16 by default'),
      auditThreads: passedOn('count', 'Threads that audit; one less than there are cores by default and at most'),
      link: {
        kind: 'parsed',
        parse: String,
        placeholder: 'spec',
        brief: 'A worse path to the pods, for tests: delay=MS,loss=0..1,rate=BYTES_PER_SECOND',
        optional: true,
      },
      all: {
        kind: 'boolean',
        brief: 'Check every machine, not only those that the epoch assigns to this validator',
        optional: true,
        withNegated: false,
      },
      decoyMail: passedOn('domain', 'Buy decoys, by accounts with addresses in this domain; no decoys by default'),
      decoyRate: passedOn('count', 'Decoys a day for each machine, on the average; 0.2 by default'),
      decoyBudget: passedOn('usd', 'The most that the decoys of a day may cost; 5 by default'),
      decoyAddress: {
        ...passedOn('ip', 'An address of this host that decoys log in from; repeat it for more'),
        variadic: true,
      },
      machineChecks: {
        kind: 'boolean',
        brief: 'With --once: also look at disk, deploys, ports, network and place of every machine',
        optional: true,
        withNegated: false,
      },
      machineRecheckMs: passedOn('ms', 'From one look around a machine’s units to the next; 12 hours by default'),
      diskBytes: passedOn('bytes', 'Written to a pod’s disk in such a look, at most; 1 GiB by default'),
      diskMs: passedOn('ms', 'Time for writing them; 30 seconds by default'),
      payloadBytes: passedOn('bytes', 'Of a transfer, each way; 4 MiB by default'),
      template: {
        ...passedOn('file', 'Index of an official template, which is really deployed once a week; repeat it for more'),
        variadic: true,
      },
      coordinates: passedOn(
        'lat,lon',
        'Where this validator stands in degrees, for bounds on distances; with = before a minus',
      ),
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

/** A flag whose text goes to the program as it is. */
function passedOn(placeholder: string, brief: string) {
  return { kind: 'parsed', parse: String, placeholder, brief, optional: true } as const;
}

/** Without a permit machines refuse every check: better said at the start than read in a log. */
async function warnWithoutPermit(context: CliContext, chainUrl: string, hotkey: string): Promise<void> {
  const { connectChain } = await import('@celium/chain');
  const chain = connectChain(chainUrl);
  try {
    const neuron = (await chain.neurons()).find((one) => one.hotkey === hotkey);
    if (neuron?.validatorPermit === true) return;
    const lack =
      neuron === undefined ? 'is not registered' : 'has no validator permit yet (permits come at an epoch, by stake)';
    context.process.stderr.write(
      `warn  hotkey ${hotkey} ${lack}: machines refuse its checks until then. celium validator register --stake TAO\n`,
    );
  } catch {
    // The validator itself says that the chain does not answer.
  } finally {
    await chain.close();
  }
}

interface RegisterFlags extends HotkeyFlags {
  json?: boolean | undefined;
  state?: string | undefined;
  chain?: string | undefined;
  stake?: bigint | undefined;
}

const registerCommand = buildCommand<RegisterFlags, [], CliContext>({
  async func(flags) {
    const { connectChain } = await import('@celium/chain');
    const { registerHotkey, stakeToHotkey } = await import('../provider/register.ts');
    const { registrationOf } = await import('../provider/join.ts');
    const state = stateFolderOf(this, flags.state, 'validator');
    const hotkey = await ensureHotkey({ ...flags, fallbackFolder: join(state, 'wallets') });
    await ensureColdkeyAddress(hotkey, hotkey.path.startsWith(state));
    const chainUrl = chainUrlOf(this, flags.chain);
    const password = (): Promise<string> => coldkeyPassword(this);
    const chain = connectChain(chainUrl);
    try {
      const before = await registrationOf(chain, hotkey.ss58);
      if (before.uid === null) {
        await registerHotkey({ chainUrl, hotkey, maxCostRao: before.registrationCostRao, password });
      }
      if (flags.stake !== undefined) await stakeToHotkey({ chainUrl, hotkey, amountRao: flags.stake, password });
      const { uid } = await registrationOf(chain, hotkey.ss58);
      const registered = { hotkey: hotkey.ss58, uid, stakedRao: flags.stake ?? 0n };
      writeResult(
        this,
        flags.json,
        registered,
        () => `Hotkey ${hotkey.ss58} has UID ${uid}. Its permit comes at the next epoch, by stake.\n`,
      );
    } finally {
      await chain.close();
    }
  },
  parameters: {
    flags: {
      json: jsonFlag,
      state: stateFlag,
      chain: chainFlag,
      ...hotkeyFlags,
      stake: {
        kind: 'parsed',
        parse: parseTao,
        placeholder: 'tao',
        brief: 'TAO of the coldkey to stake to it',
        optional: true,
      },
    },
  },
  docs: {
    brief: 'Register the validator’s hotkey, and stake to it',
    fullDescription: describe(
      'Registers the hotkey for what the chain asks now, paid by the coldkey of its wallet, and stakes TAO to it. Both need not be done twice.',
      [
        ['celium validator register --stake 100', 'with the keys in the state folder'],
        ['celium validator register --wallet main --hotkey val', 'with a wallet of btcli'],
      ],
    ),
  },
});

export const validatorRoutes = buildRouteMap({
  routes: { run: runCommand, register: registerCommand },
  docs: { brief: 'Verify machines and set weights' },
});
