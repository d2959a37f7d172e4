/** `celium validator run`: `node apps/validator/src/main.ts --hotkey-file FILE --state DIR --chain URL [--market URL]... [--once] [--json]`. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import type { DatabaseSync } from 'node:sqlite';
import { connectChain, parseKeyfile, RequestSigner, type KeyPair, type SubnetChain } from '@celium/chain';
import { CeliumError, crashAt, errorBody, ERRORS } from '@celium/contract';
import { addMachineRoutes } from './api/machine-routes.ts';
import { createApi } from './api/server.ts';
import { AuditPool } from './audit/pool.ts';
import type { AxonAddress } from './axon.ts';
import { checkMachine } from './check/check-machine.ts';
import { createLagMeter } from './check/loop-lag.ts';
import { pause } from './check/pause.ts';
import { sizeClassOf } from './check/receipt.ts';
import { systemTime } from './clock.ts';
import { openDecoys } from './decoys/open-decoys.ts';
import { Discovery } from './discovery/discover.ts';
import { MachineLogs } from './discovery/machine-logs.ts';
import { ManifestDirectory } from './discovery/manifest-directory.ts';
import { createBarrierClient } from './epoch/barrier-client.ts';
import { BarrierKeeper } from './epoch/barrier-keeper.ts';
import { EpochWatch, finalizedBlock, type Assignment } from './epoch/epoch-watch.ts';
import { createBlockAuditor } from './machine-check/block-audit.ts';
import { checkSurroundings } from './machine-check/check-surroundings.ts';
import { MachineScheduler } from './machine-check/machine-scheduler.ts';
import { createDialer } from './machine-check/port-probe.ts';
import { VantageDesk, vantagesOf } from './machine-check/vantage.ts';
import { isPrivateAddress } from '@celium/domain';
import { lookAtHost } from './inventory/look-at-host.ts';
import { createAgentClient } from './network/agent-client.ts';
import { createLogReader } from './network/agent-log.ts';
import { createNetwork } from './network/json-over-http.ts';
import { VerificationDesk } from './renters/verification-desk.ts';
import { createInventoryReader } from './network/inventory-client.ts';
import { createReport } from './report.ts';
import { Scheduler } from './scheduler.ts';
import { HELP, readSettings, type Settings } from './settings.ts';
import { createSshShells } from './shell/ssh-shell.ts';
import { openDatabase } from './state/database.ts';
import { GrantBook } from './state/grant-book.ts';
import { Inventories } from './state/inventories.ts';
import { LeaseJournal } from './state/lease-journal.ts';
import { MachineBook } from './state/machine-book.ts';
import { ReceiptBook } from './state/receipt-book.ts';
import { TranscriptFiles } from './state/transcripts.ts';
import { UnitRegistry } from './state/unit-registry.ts';
import { Visits } from './state/visits.ts';
import { runOnce, runValidator, type ValidatorParts } from './validator.ts';

const CHAIN_START_MS = 30_000;
const CHAIN_PAUSE_MS = 500;
/** After this long a stop that hangs is made without ceremony: the next start stops what is still leased. */
const STOP_LIMIT_MS = 60_000;
/** From a failed look at a machine to its repetition. */
const MACHINE_RETRY_MS = 600_000;
const MAX_CONFLICTS_SHOWN = 200;
/** The time of a block on the chains that this is made for; a devchain's are shorter. */
const BLOCK_MS = 12_000;

async function run(settings: Settings): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const)
    process.once(name, () => {
      stop.abort();
      setTimeout(() => process.exit(1), STOP_LIMIT_MS).unref();
    });
  // Whoever read our words may be gone: a check that runs goes on, and its lease is stopped.
  process.stdout.on('error', () => {});
  const report = createReport(settings.json || !process.stdout.isTTY, process.stdout);
  const hotkey = await readHotkeyFile(settings.hotkeyFile);
  const database = openDatabase(settings.stateFolder);
  const auditor = new AuditPool(settings.auditThreads);
  const chain = connectChain(settings.chainUrl);
  try {
    const netuid = await netuidOf(chain, stop.signal);
    if (netuid === null) return;
    const parts = assemble(settings, { hotkey, database, auditor, chain, netuid, report });
    const machineOf = (machineKey: string) =>
      parts.ports.directory.machines().find(({ machine }) => machine.machineKey === machineKey) ?? null;
    const desk = new VerificationDesk({ ...parts.ports, machineOf });
    const api = createApi({
      ...parts.ports,
      barriers: parts.barriers,
      desk,
      handOvers: {
        machineOf,
        checkNow: (...ask) => parts.scheduler.checkNow(...ask),
        signal: stop.signal,
      },
      status: () => describe(parts, hotkey, netuid),
    });
    addMachineRoutes(api, {
      ...parts.ports,
      vantageDesk: parts.vantageDesk,
      mayAsk: (ss58) => parts.epochs.view()?.permits.includes(ss58) ?? false,
    });
    const url = await listen(api, settings);
    const axon = axonOf(settings, url);
    report({ event: 'ready', url, pid: process.pid, hotkey: hotkey.ss58, netuid });
    try {
      if (settings.once) {
        const machines = await runOnce(parts, settings.machineChecks, stop.signal);
        report({ event: 'step', name: 'check every machine once', status: 'done', detail: `${machines} machines` });
      } else await runValidator(parts, axon, stop.signal);
    } finally {
      await api.close();
    }
  } finally {
    await auditor.close();
    await chain.close();
    database.close();
  }
}

function assemble(
  settings: Settings,
  made: {
    hotkey: KeyPair;
    database: DatabaseSync;
    auditor: AuditPool;
    chain: SubnetChain;
    netuid: number;
    report: ReturnType<typeof createReport>;
  },
): ValidatorParts & { vantageDesk: VantageDesk } {
  const { hotkey, database, auditor, chain, netuid, report } = made;
  const clock = systemTime;
  const network = createNetwork({ allowPrivate: settings.allowPrivate });
  const signer = new RequestSigner(hotkey, { now: clock.unixMs, randomBytes });
  const directory = new ManifestDirectory(database);
  const epochs = new EpochWatch({ chain, clock, hotkey });
  const registry = new UnitRegistry(database, directory);
  const assignmentOf = (machineKey: string): Assignment => epochs.assignmentOf(registry.followedBy(machineKey));
  const visits = new Visits(database);
  const logs = new MachineLogs({
    clock,
    directory,
    readLog: createLogReader(network),
    concerns: (machineKey) => settings.checksAll || assignmentOf(machineKey).place >= 0,
    isLeased: (machineKey) => visits.find(machineKey)?.outcome.endsWith('busy') ?? false,
  });
  const receipts = new ReceiptBook(database);
  const ports = {
    clock,
    randomBytes,
    network,
    signer,
    hotkey,
    database,
    auditor,
    chain,
    report,
    directory,
    agent: createAgentClient(network, signer),
    shells: createSshShells({ allowPrivate: settings.allowPrivate, randomBytes, link: settings.link }),
    lag: createLagMeter(),
    journal: new LeaseJournal(database),
    grants: new GrantBook(database),
    readLog: createLogReader(network),
    receipts,
    machineBook: new MachineBook(database, receipts),
    registry,
    inventories: new Inventories(database),
    readInventory: createInventoryReader(network, signer),
    transcripts: new TranscriptFiles(settings.stateFolder),
    visits,
    running: new Set<string>(),
    timing: new Set<string>(),
    crash: crashAt(process.env['CELIUM_CRASH_AT'], () => process.kill(process.pid, 'SIGKILL')),
    finalizedBlock: async () => (await chain.heads()).finalized,
    proverCommand: settings.proverCommand,
    sizeClassOf,
    // The key of a market given on the command line is asked for when a receipt is published.
    markets: settings.marketUrls.map((url) => ({ url, key: '' })),
    intervals: settings.intervals,
    parallel: settings.parallel,
    barrier: () => barriers.current(),
    logs,
    assignmentOf,
    checksAll: settings.checksAll,
    auditBacklog: () => auditor.backlog,
    blockAuditor: createBlockAuditor(),
    dialer: createDialer(settings.allowPrivate),
    storageSizes: settings.storageSizes,
    payloadBytes: settings.payloadBytes,
    templates: settings.templates,
    coordinates: settings.coordinates,
    machineIntervals: { recheckMs: settings.machineRecheckMs, retryMs: MACHINE_RETRY_MS },
    vantages: () => vantagesOf(epochs.view(), hotkey.ss58, randomBytes),
    view: () => epochs.view(),
    blockByNumber: (number: number) => finalizedBlock(chain, number),
  };
  const barriers = new BarrierKeeper({
    ...ports,
    netuid,
    appendLog: (kind, body, nowMs) => ports.receipts.appendLog(kind, body, nowMs),
    view: () => epochs.view(),
    ask: createBarrierClient(network, signer),
  });
  const discovery = new Discovery({
    clock,
    network,
    directory,
    netuid,
    report,
    // Our own axon serves this validator's API, not a manifest.
    neurons: async () => (await chain.neurons()).filter((neuron) => neuron.hotkey !== hotkey.ss58),
    markets: settings.marketUrls,
  });
  const scheduler = new Scheduler(ports, async (known, units, signal, start) => {
    await lookAtHost(ports, known);
    return checkMachine(ports, known, units, signal, start);
  });
  const machineScheduler = new MachineScheduler(ports, (known, unit, template, signal) =>
    checkSurroundings(ports, known, unit, template, signal),
  );
  const epochMs = (): number => (epochs.view()?.tempo ?? 0) * BLOCK_MS;
  const decoys = openDecoys(settings, { ...ports, epochMs });
  const vantageDesk = new VantageDesk(ports);
  return { ports, discovery, epochs, barriers, logs, scheduler, machineScheduler, decoys, vantageDesk };
}

async function readHotkeyFile(file: string): Promise<KeyPair> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new CeliumError('BAD_WALLET', `The hotkey file ${file} cannot be read.`, { cause });
  }
  const content = parseKeyfile(bytes);
  if (content.kind === 'secret') return content.key;
  throw new CeliumError('BAD_WALLET', `${file} holds an address only, and a validator has to sign.`);
}

/** The chain may start at the same time as we do: it gets a while to answer. Null when we are told to stop meanwhile. */
async function netuidOf(chain: SubnetChain, signal: AbortSignal): Promise<number | null> {
  const untilMs = systemTime.nowMs() + CHAIN_START_MS;
  for (;;) {
    try {
      return (await chain.info()).netuid;
    } catch (fault) {
      if (signal.aborted) return null;
      if (systemTime.nowMs() > untilMs) throw fault;
      await pause(systemTime, CHAIN_PAUSE_MS, signal);
    }
  }
}

async function listen(api: ReturnType<typeof createApi>, settings: Settings): Promise<string> {
  try {
    await api.listen({ host: settings.host, port: settings.port });
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'EADDRINUSE')
      throw new CeliumError('PORT_IN_USE', `Port ${settings.port} on ${settings.host} is taken.`, { cause });
    throw cause;
  }
  const { address, port, family } = api.server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** What the chain is told of us: an address, never a name. Null where strangers could not use it, or the chain is not to know. */
function axonOf(settings: Settings, url: string): AxonAddress | null {
  const { hostname, port } = new URL(url);
  const ip = settings.axonIp ?? hostname.replace(/^\[(.*)\]$/, '$1');
  if (isPrivateAddress(ip) && !settings.allowPrivate) return null;
  return isUnspecified(ip) ? null : { ip, port: Number(port) };
}

function isUnspecified(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

function describe(parts: ValidatorParts, hotkey: KeyPair, netuid: number): Record<string, unknown> {
  const { receipts, journal, clock, registry, inventories } = parts.ports;
  return {
    hotkey: hotkey.ss58,
    netuid,
    timeMs: clock.unixMs(),
    ...receipts.counts(),
    openLeases: journal.open().length,
    logHeight: receipts.logPosition().height,
    epoch: describeEpoch(parts.epochs, hotkey.ss58),
    barrier: parts.barriers.describe(),
    machines: parts.scheduler.describe(),
    unitConflicts: registry.conflicts(MAX_CONFLICTS_SHOWN),
    hostAlarms: inventories.alarming(MAX_CONFLICTS_SHOWN),
  };
}

function describeEpoch(epochs: EpochWatch, self: string): Record<string, unknown> | null {
  const view = epochs.view();
  if (view === null) return null;
  const { block, tempo, permits, coordinator } = view;
  return { block, tempo, permits: permits.length, hasPermit: permits.includes(self), barrierCoordinator: coordinator };
}

async function main(): Promise<number> {
  try {
    const settings = readSettings(process.argv.slice(2), process.env);
    if (settings === 'help') process.stdout.write(HELP);
    else await run(settings);
    return 0;
  } catch (fault) {
    const { error } = errorBody(fault);
    process.stdout.write(
      `${JSON.stringify({ event: 'error', code: error.code, message: error.message, remedy: error.remedy })}\n`,
    );
    if (error.code === 'INTERNAL') process.stderr.write(`${fault instanceof Error ? fault.stack : String(fault)}\n`);
    return ERRORS[error.code].exit;
  }
}

process.exitCode = await main();
