/** The loops of a running validator: leases of a crash first, quiet while a run is timed, one failing loop stops no other. */

import { randomBytes } from 'node:crypto';
import { RequestSigner, type SubnetChain } from '@celium/chain';
import { afterEach, expect, test } from 'vitest';
import { checkMachine } from './check/check-machine.ts';
import { takeLease } from './check/lease.ts';
import { systemTime } from './clock.ts';
import { Discovery } from './discovery/discover.ts';
import { MachineLogs } from './discovery/machine-logs.ts';
import { BarrierKeeper } from './epoch/barrier-keeper.ts';
import { EpochWatch } from './epoch/epoch-watch.ts';
import { ManifestDirectory } from './discovery/manifest-directory.ts';
import { MachineScheduler } from './machine-check/machine-scheduler.ts';
import { createNetwork } from './network/json-over-http.ts';
import { Scheduler } from './scheduler.ts';
import { Inventories } from './state/inventories.ts';
import { MachineBook } from './state/machine-book.ts';
import { UnitRegistry } from './state/unit-registry.ts';
import { Visits } from './state/visits.ts';
import { openCheckBench, VALIDATOR, type CheckBench } from './testing/check-bench.ts';
import { runValidator, type ValidatorParts } from './validator.ts';

const closers: Array<() => void> = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/** A validator whose chain is away, with one machine already known. */
async function assemble(bench: CheckBench) {
  const lines: Array<Record<string, unknown>> = [];
  const directory = new ManifestDirectory(bench.database);
  directory.take(await bench.agent.manifest(), { netuid: 51 }, 1);
  const away = (): Promise<never> => Promise.reject(new Error('the chain is away'));
  const chain = { schedule: away, neurons: away, heads: away } as unknown as SubnetChain;
  const ports: ValidatorParts['ports'] = {
    ...bench.ports,
    directory,
    visits: new Visits(bench.database),
    registry: new UnitRegistry(bench.database, directory),
    inventories: new Inventories(bench.database),
    intervals: { recheckMs: 3_600_000, retryMs: 1_000 },
    parallel: 1,
    assignmentOf: () => ({ place: 0, sinceMs: 0 }),
    barrier: () => null,
    logs: { releaseDueAtMs: () => null, isUnchecked: () => false },
    checksAll: false,
    auditBacklog: () => 0,
    report: (line) => void lines.push(line),
    readLog: async () => null,
    network: createNetwork({ allowPrivate: true }),
    signer: new RequestSigner(VALIDATOR, { now: Date.now, randomBytes }),
    chain,
    database: bench.database,
    machineBook: new MachineBook(bench.database, bench.ports.receipts),
  };
  let reads = 0;
  const neurons = async () => {
    reads += 1;
    return [];
  };
  const { clock, network, report } = ports;
  const discovery = new Discovery({ clock, network, directory, neurons, netuid: 51, markets: [], report });
  const epochs = new EpochWatch({ chain, clock, hotkey: VALIDATOR });
  const barriers = new BarrierKeeper({
    ...ports,
    netuid: 51,
    appendLog: () => {},
    view: () => epochs.view(),
    ask: () => Promise.resolve(null),
  });
  const scheduler = new Scheduler(ports, (known, units, signal, start) =>
    checkMachine(ports, known, units, signal, start),
  );
  const logs = new MachineLogs({
    ...ports,
    readLog: () => Promise.resolve(null),
    concerns: () => false,
    isLeased: () => false,
  });
  const machineScheduler = new MachineScheduler(
    {
      ...ports,
      machineIntervals: { recheckMs: 3_600_000, retryMs: 1_000 },
      templates: [],
      view: () => epochs.view(),
      blockByNumber: away,
    },
    () => Promise.reject(new Error('nothing is due yet')),
  );
  const parts = { ports, discovery, epochs, barriers, logs, scheduler, machineScheduler, decoys: null };
  return { parts, lines, reads: () => reads };
}

async function until(isTrue: () => boolean): Promise<void> {
  const untilMs = systemTime.nowMs() + 15_000;
  while (!isTrue()) {
    if (systemTime.nowMs() > untilMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('what a crash left leased is given back before anything is leased anew; a chain that is away stops no check', async () => {
  const bench = openCheckBench();
  closers.push(() => bench.close());
  const key = bench.ports.shells.newClientKey();
  await takeLease(bench.ports, bench.known.machine, bench.known.machine.units, key.publicLine);
  bench.ports.running.clear();
  const { parts, lines } = await assemble(bench);
  const stop = new AbortController();
  const ended = runValidator(parts, null, stop.signal);
  await until(() => lines.some((line) => line['event'] === 'check'));
  stop.abort();
  await ended;
  const checks = lines.filter((line) => line['event'] === 'check').map((line) => line['verdict']);
  expect(checks).toEqual(['pass']);
  expect(bench.agent.leasedUnits()).toEqual([]);
  const failed = lines.filter((line) => line['status'] === 'failed' && line['name'] !== 'publish receipt');
  expect(new Set(failed.map((line) => line['detail']))).toEqual(new Set(['the chain is away']));
});

test('while a run is timed nothing else is done', async () => {
  const bench = openCheckBench({ shells: { cheat: 'silent' } });
  closers.push(() => bench.close());
  const { parts, reads } = await assemble(bench);
  parts.ports.timing.add('a run of another check');
  const stop = new AbortController();
  const ended = runValidator(parts, null, stop.signal);
  await until(() => bench.agent.leasedUnits().length === 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(reads()).toBe(0);
  stop.abort();
  await ended;
  expect(bench.agent.leasedUnits()).toEqual([]);
});
