/** `celium provider join|leave|status`: earn with this machine. */

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildCommand, buildRouteMap } from '@stricli/core';
import { printable } from '@celium/domain';
import { createClient } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { marketUrlOf } from '../market/connect.ts';
import { formatUsd } from '../output/format.ts';
import { openProgressView, type ProgressView } from '../output/progress-view.ts';
import { describeHostAlarms, describeMachineCheck } from '../output/machine-view.ts';
import { answersInJson, writeResult } from '../output/result.ts';
import { formatFields } from '../output/table.ts';
import { runInForeground } from '../programs/foreground.ts';
import type { JoinOptions, PreparedMachine } from '../provider/join.ts';
import { isMachineRecord, type MachineRecord } from '../provider/record.ts';
import type { MachineStatus } from '../provider/status.ts';
import { writePrivateFile } from '../settings/private-file.ts';
import {
  clientFlags,
  describe,
  jsonFlag,
  parseCoordinates,
  parseCount,
  parseDollars,
  parsePort,
  yesFlag,
  type ClientFlags,
} from './flags.ts';
import { allowPrivateFlag, chainFlag, chainUrlOf, stateFlag, stateFolderOf } from './serve.ts';
import { coldkeyPassword, hotkeyFlags, type HotkeyFlags } from './wallet-flags.ts';

const RECORD_FILE = 'join.json';
const DEFAULT_PRICE_MICRO_USD = 100_000n;
const STOP_WAIT_MS = 40_000;

interface PlaceFlags extends ClientFlags {
  state?: string | undefined;
}

interface JoinFlags extends PlaceFlags, HotkeyFlags {
  chain?: string | undefined;
  price?: bigint | undefined;
  port?: number | undefined;
  host?: string | undefined;
  publicHost?: string | undefined;
  portRange?: { from: number; to: number } | undefined;
  location?: string | undefined;
  coordinates?: { latitude: number; longitude: number } | undefined;
  payout?: string | undefined;
  docker?: string | undefined;
  tools?: string | undefined;
  register?: boolean | undefined;
  maxCost?: number | undefined;
  allowPrivate?: boolean | undefined;
  openEgress?: boolean | undefined;
}

const joinCommand = buildCommand<JoinFlags, [], CliContext>({
  async func(flags) {
    const { prepareEngine, prepareMachine } = await import('../provider/join.ts');
    const json = answersInJson(this, flags.json);
    const view = openProgressView(this, json ? 'json' : 'text');
    const options = joinOptionsOf(this, flags);
    mkdirSync(options.state, { recursive: true, mode: 0o711 });
    const socket = await prepareEngine(options, view);
    const machine = await prepareMachine(options, socket, view);
    if (flags.register === true && machine.uid === null) await register(this, flags, options, machine, view);
    const record: MachineRecord = {
      pid: process.pid,
      machineId: machine.facts.machineId,
      machineKey: machine.facts.machineKey,
      hotkeyFile: machine.hotkey.path,
      hotkey: machine.hotkey.ss58,
      socket,
      marketUrls: [...options.marketUrls],
      chainUrl: options.chainUrl,
    };
    const recordPath = join(options.state, RECORD_FILE);
    writePrivateFile(recordPath, `${JSON.stringify(record, null, 2)}\n`);
    view.close();
    if (!json) this.process.stderr.write(describeJoin(machine, options, flags.register === true));
    try {
      await runInForeground(this, 'agent', {
        args: machine.agentArgs,
        json,
        view,
        onReady: () =>
          `the agent serves; \`celium ls -a\` shows the machine, \`celium provider status\` how it does; Ctrl-C stops it\n`,
      });
    } finally {
      rmSync(recordPath, { force: true });
    }
  },
  parameters: {
    flags: {
      json: jsonFlag,
      market: { ...clientFlags.market, brief: 'Market to sell on; else CELIUM_MARKET, else where you logged in last' },
      state: stateFlag,
      chain: chainFlag,
      price: {
        kind: 'parsed',
        parse: parseDollars,
        placeholder: 'usd',
        brief: 'Price per unit and hour in dollars; 0.10 by default',
        optional: true,
      },
      port: {
        kind: 'parsed',
        parse: parsePort,
        placeholder: 'port',
        brief: 'Port of the agent’s API; 7750 by default',
        optional: true,
      },
      host: {
        kind: 'parsed',
        parse: String,
        placeholder: 'address',
        brief: 'Address that the agent’s API listens on; 127.0.0.1 by default',
        optional: true,
      },
      publicHost: {
        kind: 'parsed',
        parse: String,
        placeholder: 'host',
        brief: 'Address at which others reach this machine; 127.0.0.1 by default',
        optional: true,
      },
      portRange: {
        kind: 'parsed',
        parse: parsePortRange,
        placeholder: 'from-to',
        brief: 'Ports for pods, open from outside; 20000-20099 by default',
        optional: true,
      },
      location: {
        kind: 'parsed',
        parse: String,
        placeholder: 'text',
        brief: 'Where it stands, as shown to renters',
        optional: true,
      },
      coordinates: {
        kind: 'parsed',
        parse: parseCoordinates,
        placeholder: 'lat,lon',
        brief:
          'Where it stands in degrees, checked by the speed of light; write --coordinates=-33.87,151.21 in the south',
        optional: true,
      },
      payout: {
        kind: 'parsed',
        parse: String,
        placeholder: 'ss58',
        brief: 'Address that earns; the wallet’s coldkey by default',
        optional: true,
      },
      ...hotkeyFlags,
      register: {
        kind: 'boolean',
        brief: 'Register the hotkey on the subnet and serve its axon',
        optional: true,
        withNegated: false,
      },
      maxCost: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'rao',
        brief: 'The most that the registration may cost; what it costs now by default',
        optional: true,
      },
      docker: { kind: 'parsed', parse: String, placeholder: 'socket', brief: 'Docker socket to use', optional: true },
      tools: { kind: 'parsed', parse: String, placeholder: 'dir', brief: 'Folder with another prover', optional: true },
      allowPrivate: allowPrivateFlag,
      openEgress: {
        kind: 'boolean',
        brief: 'Let pods reach the networks of this host, where the agent cannot keep them from it',
        optional: true,
        withNegated: false,
      },
    },
  },
  docs: {
    brief: 'Offer this machine and earn with it',
    fullDescription: describe(
      `Sets up what is missing (container engine, base image, keys), signs the manifest and runs the agent until Ctrl-C. Started again, it takes over the pods that run.
Any hotkey may sell. Without a UID on the subnet the machine earns rental revenue but no emission; --register gets one for the price that the chain asks now.
Others must reach --public-host on the agent’s port and the port range; on one machine or network give --allow-private here and to the market.`,
      [
        [
          'celium provider join --market https://market.example --public-host 203.0.113.7 --host 0.0.0.0',
          'for the world',
        ],
        ['celium provider join --price 0.25 --allow-private', 'with a market on this machine'],
        ['celium provider join --wallet main --hotkey gpu1 --register', 'with a wallet of btcli, and a UID'],
      ],
    ),
  },
});

function joinOptionsOf(context: CliContext, flags: JoinFlags): JoinOptions {
  return {
    state: stateFolderOf(context, flags.state, 'agent'),
    docker: flags.docker,
    marketUrls: [marketUrlOf(context, flags.market)],
    chainUrl: chainUrlOf(context, flags.chain),
    agent: { host: flags.host ?? '127.0.0.1', port: flags.port ?? 7750 },
    publicHost: flags.publicHost ?? '127.0.0.1',
    portRange: flags.portRange ?? { from: 20_000, to: 20_099 },
    priceMicroUsdPerUnitHour: flags.price ?? DEFAULT_PRICE_MICRO_USD,
    location: flags.location,
    coordinates: flags.coordinates,
    payout: flags.payout,
    wallet: flags,
    tools: flags.tools,
    allowPrivate: flags.allowPrivate === true,
    openEgress: flags.openEgress === true,
    nowMs: context.nowMs,
  };
}

async function register(
  context: CliContext,
  flags: JoinFlags,
  options: JoinOptions,
  machine: PreparedMachine,
  view: ProgressView,
): Promise<void> {
  const { registerHotkey } = await import('../provider/register.ts');
  const maxCostRao = flags.maxCost === undefined ? machine.registrationCostRao : BigInt(flags.maxCost);
  await view.step('register on the subnet', () =>
    registerHotkey({
      chainUrl: options.chainUrl,
      hotkey: machine.hotkey,
      maxCostRao,
      axon: { ip: options.publicHost, port: options.agent.port },
      password: () => coldkeyPassword(context),
    }),
  );
}

function describeJoin(machine: PreparedMachine, options: JoinOptions, registered: boolean): string {
  const { facts, hotkey, payout } = machine;
  const fields: Array<[string, string]> = [
    ['machine', `${facts.machineId}: ${facts.units.join(', ')}`],
    ['price', `${formatUsd(options.priceMicroUsdPerUnitHour)} per unit and hour`],
    ['market', options.marketUrls.join(', ')],
    ['hotkey', `${hotkey.ss58} (${hotkey.path})`],
    ['earns', payout.ss58],
  ];
  const notes: string[] = [];
  if (machine.uid === null && !registered) {
    notes.push(
      `This hotkey has no UID on subnet ${machine.netuid}: the machine sells and earns rental revenue, but no emission. --register gets one (${machine.registrationCostRao} rao now).`,
    );
  }
  if (hotkey.isNew || payout.isNew) {
    notes.push(
      `New keys were made in ${options.state}/wallets, unencrypted and readable by you only. Keep a copy: they are what earns.`,
    );
  }
  return `${formatFields(fields)}${notes.map((note) => `${note}\n`).join('')}`;
}

interface LeaveFlags extends PlaceFlags {
  yes?: boolean | undefined;
}

const leaveCommand = buildCommand<LeaveFlags, [], CliContext>({
  async func(flags) {
    const state = stateFolderOf(this, flags.state, 'agent');
    const record = readRecord(state);
    const { leaveMachine } = await import('../provider/leave.ts');
    const left = await leaveMachine({
      state,
      record,
      stopWaitMs: STOP_WAIT_MS,
      nowMs: this.nowMs(),
      mayEndPods: async (count) => {
        if (flags.yes === true) return true;
        if (!this.isInteractive) return false;
        return await this.ask.confirm(
          `${count} ${count === 1 ? 'pod runs' : 'pods run'} here. End ${count === 1 ? 'it' : 'them'}? It counts as a fault of yours.`,
        );
      },
    });
    writeResult(
      this,
      flags.json,
      left,
      () =>
        `${left.agentStopped ? 'The agent was stopped' : 'No agent was running'}; ${left.podsEnded} pods ended. The keys stay in ${state}: \`celium provider join\` brings the machine back.\n`,
    );
  },
  parameters: {
    flags: {
      json: jsonFlag,
      market: clientFlags.market,
      state: stateFlag,
      yes: { ...yesFlag, brief: 'End pods that run, without asking' },
    },
    aliases: { y: 'yes' },
  },
  docs: {
    brief: 'Take this machine off the market',
    fullDescription: describe(
      'Stops the agent and what it runs. Renters of running pods are not billed from then on; ending them counts as a fault of the provider. Keys stay.',
      [
        ['celium provider leave', 'asks when pods run'],
        ['celium provider leave --yes', 'does not'],
      ],
    ),
  },
});

const statusCommand = buildCommand<PlaceFlags, [], CliContext>({
  async func(flags) {
    const state = stateFolderOf(this, flags.state, 'agent');
    const record = readRecord(state);
    const { readStatus } = await import('../provider/status.ts');
    const status = await readStatus(record, (url) => createClient({ baseUrl: url }));
    writeResult(this, flags.json, status, () =>
      record === null
        ? `No agent runs from ${state}. \`celium provider join\` offers this machine.\n`
        : describeStatus(status, this.nowMs()),
    );
  },
  parameters: { flags: { json: jsonFlag, market: clientFlags.market, state: stateFlag } },
  docs: {
    brief: 'Show how this machine does',
    fullDescription: describe(
      'Shows whether the agent runs, what runs in it, and what its markets and the chain say of it: verdicts with their figures and reasons, and alarms of this host.',
      [['celium provider status', '']],
    ),
  },
});

function describeStatus(status: MachineStatus, nowMs: number): string {
  const views = status.offers.map((view) => {
    if (view.online === null) return [view.market, view.detail] as const;
    const verified = `${view.verdict ?? 'not verified yet'}${view.class === null ? '' : ` as ${view.class}`}`;
    const price = `${formatUsd(view.priceMicroUsdPerUnitHour ?? '0')} per unit and hour`;
    return [
      view.market,
      `${view.online ? 'online' : 'offline'}, ${verified}, ${view.freeUnits} units free, ${price}`,
    ] as const;
  });
  const subnet = `subnet ${status.netuid ?? '?'}`;
  const fields = formatFields([
    ['machine', status.machineId ?? '-'],
    ['agent', status.running ? `runs (process ${status.pid})` : 'does not run'],
    ['pods', status.pods === null ? 'unknown: the engine does not answer' : String(status.pods)],
    ['uid', status.uid === null ? `none on ${subnet}: no emission` : `${status.uid} on ${subnet}`],
    ...views,
  ]);
  const seen = status.offers
    .filter(({ online }) => online !== null)
    .map(({ market, machineCheck, hostAlarms }) => {
      const heading = status.offers.length === 1 ? '' : `${printable(market)}\n`;
      return `\n${heading}${describeMachineCheck(machineCheck, nowMs)}\n${describeHostAlarms(hostAlarms, nowMs)}`;
    });
  return `${fields}${seen.join('')}`;
}

/** What a join noted while it runs; null when none runs. */
function readRecord(state: string): MachineRecord | null {
  const path = join(state, RECORD_FILE);
  if (!existsSync(path)) return null;
  try {
    const record: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isMachineRecord(record) ? record : null;
  } catch {
    return null;
  }
}

function parsePortRange(input: string): { from: number; to: number } {
  const match = /^([0-9]{1,5})-([0-9]{1,5})$/.exec(input);
  if (match === null) throw new SyntaxError(`${input} is no port range, such as 20000-20099`);
  const range = { from: parsePort(match[1] as string), to: parsePort(match[2] as string) };
  if (range.from > range.to) throw new SyntaxError(`${input} ends before it begins`);
  return range;
}

export const providerRoutes = buildRouteMap({
  routes: { join: joinCommand, leave: leaveCommand, status: statusCommand },
  docs: { brief: 'Offer this machine and earn with it' },
});
