/** Everything on one host, for a provider who has only one: engine, machine keys, hotkey, manifest, and the agent's command line. */

import { join } from 'node:path';
import { connectChain, type SubnetChain } from '@celium/chain';
import { CeliumError, listedConsent, manifestMachine, type ProgressEvent } from '@celium/contract';
import { createClient } from '@celium/sdk';
import type { HotkeyFlags } from '../commands/wallet-flags.ts';
import { passOn } from '../commands/serve.ts';
import type { ProgressView } from '../output/progress-view.ts';
import { startProgram, type ReadyFields } from '../programs/program.ts';
import type { ProgramName } from '../programs/entries.ts';
import { ensureColdkeyAddress, ensureHotkey, type KnownHotkey } from '../wallet/hotkey.ts';
import { writeManifest, type MachineFacts } from './manifest.ts';

export interface JoinOptions {
  /** The agent's state folder. */
  state: string;
  docker?: string | undefined;
  /** Where an engine that we start keeps its things; the machine's own place by default. */
  engineState?: string | undefined;
  marketUrls: readonly string[];
  chainUrl: string;
  agent: { host: string; port: number };
  publicHost: string;
  portRange: { from: number; to: number };
  priceMicroUsdPerUnitHour: bigint;
  location?: string | undefined;
  coordinates?: { latitude: number; longitude: number } | undefined;
  /** Address that earns; the wallet's coldkey by default. */
  payout?: string | undefined;
  wallet: HotkeyFlags;
  tools?: string | undefined;
  allowPrivate: boolean;
  openEgress: boolean;
  nowMs: () => number;
}

export interface PreparedMachine {
  hotkey: KnownHotkey;
  payout: { ss58: string; isNew: boolean };
  facts: MachineFacts;
  /** Path of the Docker socket. */
  socket: string;
  netuid: number;
  /** UID of the hotkey on the subnet, or null. */
  uid: number | null;
  registrationCostRao: bigint;
  manifestFile: string;
  /** What to start the agent with. */
  agentArgs: string[];
}

/** Engine, base image and tools: installed and started when they are not there. Answers the engine's socket. */
export async function prepareEngine(
  options: { docker?: string | undefined; engineState?: string | undefined },
  view: ProgressView,
): Promise<string> {
  const args = ['prepare', ...passOn({ docker: options.docker, state: options.engineState, json: true })];
  const ready = await runToReady('engine', args, view);
  return textOf(ready, 'socket');
}

/** Does all of it but starting the agent. Each part that is there already is used as it is. */
export async function prepareMachine(
  options: JoinOptions,
  socket: string,
  view: ProgressView,
): Promise<PreparedMachine> {
  const hotkey = await ensureHotkey({ ...options.wallet, fallbackFolder: join(options.state, 'wallets') });
  const initArgs = { state: options.state, hotkey: hotkey.ss58, tools: options.tools, json: true };
  const facts = await view.step(
    'machine keys',
    async () => factsOf(await runToReady('agent', ['init', ...passOn(initArgs)], view)),
    (found) => `${found.machineId}: ${found.units.length === 1 ? '1 unit' : `${found.units.length} units`}`,
  );
  const isOwn = hotkey.path.startsWith(options.state);
  const payout =
    options.payout === undefined ? await ensureColdkeyAddress(hotkey, isOwn) : { ss58: options.payout, isNew: false };
  const chain = connectChain(options.chainUrl);
  try {
    const { netuid } = await chain.info();
    const { uid, registrationCostRao } = await registrationOf(chain, hotkey.ss58);
    const markets = await Promise.all(options.marketUrls.map(knowMarket));
    const manifestFile = join(options.state, 'manifest.json');
    const agentUrl = `https://${bracketed(options.publicHost)}:${options.agent.port}`;
    await view.step('sign manifest', async () =>
      writeManifest(
        manifestFile,
        hotkey.key,
        facts,
        {
          netuid,
          agentUrl,
          publicHost: options.publicHost,
          portRange: options.portRange,
          priceMicroUsdPerUnitHour: options.priceMicroUsdPerUnitHour,
          ...(options.location === undefined ? {} : { location: options.location }),
          ...(options.coordinates === undefined ? {} : { coordinates: options.coordinates }),
          markets,
          payoutColdkey: payout.ss58,
        },
        options.nowMs(),
      ),
    );
    const agentArgs = passOn({
      state: options.state,
      docker: socket,
      host: options.agent.host,
      port: options.agent.port,
      'public-host': options.publicHost,
      'port-range': `${options.portRange.from}-${options.portRange.to}`,
      manifest: manifestFile,
      chain: options.chainUrl,
      tools: options.tools,
      'allow-private': options.allowPrivate,
      'open-egress': options.openEgress,
      json: true,
    });
    return { hotkey, payout, facts, socket, netuid, uid, registrationCostRao, manifestFile, agentArgs };
  } finally {
    await chain.close();
  }
}

/** The hotkey's UID, and what one costs now. */
export async function registrationOf(
  chain: SubnetChain,
  hotkey: string,
): Promise<{ uid: number | null; registrationCostRao: bigint }> {
  const [neurons, subnet] = await Promise.all([chain.neurons(), chain.subnet()]);
  const uid = neurons.find((neuron) => neuron.hotkey === hotkey)?.uid ?? null;
  return { uid, registrationCostRao: subnet.registrationCost };
}

async function knowMarket(url: string): Promise<{ url: string; key: string }> {
  const market = await createClient({ baseUrl: url }).call('getMarket');
  return { url, key: market.publicKey };
}

/** Runs a program that does one thing and ends with a `ready` line. Throws its own error. */
async function runToReady(name: ProgramName, args: readonly string[], view: ProgressView): Promise<ReadyFields> {
  const onEvent = (event: ProgressEvent): void => {
    if (event.event === 'step') view.take(event);
  };
  const program = startProgram(name, { args, ownGroup: true, onEvent, onLine: (line) => view.line(line) });
  const stop = (): void => program.signal('SIGTERM');
  process.on('exit', stop);
  try {
    const ready = await program.ready;
    await program.ended;
    return ready;
  } finally {
    process.off('exit', stop);
  }
}

function factsOf(ready: ReadyFields): MachineFacts {
  const host = ready['host'] as Partial<MachineFacts['host']> | undefined;
  const units = ready['units'];
  const rate = ready['declaredWorkPerSecond'];
  const consent = listedConsent.safeParse(ready['consent']);
  const gpus = manifestMachine.shape.gpus.safeParse(ready['gpus']);
  if (!gpus.success)
    throw new CeliumError('INTERNAL', 'The agent’s init described its GPUs in a way that no manifest can.');
  if (!consent.success) throw new CeliumError('INTERNAL', 'The agent’s init signed no consent to the hotkey.');
  if (!Array.isArray(units) || typeof host?.cpuCores !== 'number' || typeof host.memoryBytes !== 'number') {
    throw new CeliumError('INTERNAL', 'The agent’s init told no units or host facts.');
  }
  return {
    machineId: textOf(ready, 'machineId'),
    machineKey: textOf(ready, 'machineKey'),
    consent: consent.data,
    tlsKeyHash: textOf(ready, 'tlsKeyHash'),
    units: units.map(String),
    ...(gpus.data === undefined ? {} : { gpus: gpus.data }),
    host: { cpuCores: host.cpuCores, memoryBytes: host.memoryBytes, diskBytes: host.diskBytes ?? 0 },
    ...(typeof rate === 'number' ? { declaredWorkPerSecond: rate } : {}),
  };
}

function textOf(fields: ReadyFields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new CeliumError('INTERNAL', `A program’s ready line has no ${name}.`);
  return value;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
