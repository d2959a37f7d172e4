/** The validator as a whole: its loops, each bounded and each on its own, until a signal ends them. */

import { serveAxon, type AxonAddress } from './axon.ts';
import { pause } from './check/pause.ts';
import { findDoubleGrants, type DoubleGrantPorts } from './double-grants.ts';
import { sweepLeases } from './check/lease.ts';
import type { CheckPorts } from './check/check-machine.ts';
import type { Decoys } from './decoys/decoys.ts';
import type { Discovery } from './discovery/discover.ts';
import type { BarrierKeeper } from './epoch/barrier-keeper.ts';
import type { HostPorts } from './inventory/look-at-host.ts';
import type { EpochWatch } from './epoch/epoch-watch.ts';
import type { MachineScheduler } from './machine-check/machine-scheduler.ts';
import { reportConflicts } from './registry-alarms.ts';
import type { MachineLogs } from './discovery/machine-logs.ts';
import { publishDue, type PublisherPorts } from './publish/publisher.ts';
import type { Scheduler, SchedulerPorts } from './scheduler.ts';
import { setWeights, type WeightsPorts } from './weights/weights.ts';

/** All parts of a running validator. */
export interface ValidatorParts {
  ports: CheckPorts &
    SchedulerPorts &
    PublisherPorts &
    WeightsPorts &
    DoubleGrantPorts &
    Pick<HostPorts, 'inventories'>;
  discovery: Discovery;
  epochs: EpochWatch;
  barriers: BarrierKeeper;
  logs: MachineLogs;
  scheduler: Scheduler;
  machineScheduler: MachineScheduler;
  /** Null when the operator wants none. */
  decoys: Decoys | null;
}

const DISCOVER_EVERY_MS = 5_000;
const EPOCH_EVERY_MS = 2_000;
const PRUNE_EVERY_MS = 60_000;
/** Receipts without a transcript are forgotten after this; their log entries stay. So many at a time, more than a busy validator makes. */
const KEEP_MS = 7 * 24 * 3_600_000;
const PRUNE_AT_ONCE = 500;
const LOGS_EVERY_MS = 5_000;
const BARRIER_EVERY_MS = 5_000;
const SCHEDULE_EVERY_MS = 250;
const MACHINES_EVERY_MS = 5_000;
const SWEEP_EVERY_MS = 1_000;
const PUBLISH_EVERY_MS = 500;
const WEIGHTS_EVERY_MS = 6_000;
const REGISTRY_EVERY_MS = 15_000;
const DOUBLE_GRANTS_EVERY_MS = 30_000;
const AXON_EVERY_MS = 30_000;
const DECOYS_EVERY_MS = 20_000;
/** How long the loops that can wait do so for a run that is being timed, and how often they look. */
const QUIET_LIMIT_MS = 60_000;
/** Receipts wait less: with thousands of machines some run is always timed. */
const PUBLISH_QUIET_LIMIT_MS = 5_000;
const QUIET_LOOK_MS = 250;
/** How long a start waits for what a crash left leased; the sweep goes on with what takes longer. */
const FIRST_SWEEP_MS = 5_000;
/** How long `--once` waits for leases to be over and receipts to be published. */
const ONCE_FLUSH_MS = 60_000;

/** Runs until `signal` aborts: first whatever a crash left leased is stopped, then everything at once, quietly while a run is timed. */
export async function runValidator(
  parts: ValidatorParts,
  axon: AxonAddress | null,
  signal: AbortSignal,
): Promise<void> {
  const { ports, discovery, epochs, barriers, logs, scheduler, machineScheduler, decoys } = parts;
  const every = (name: string, everyMs: number, work: () => Promise<void> | void): Promise<void> =>
    repeat(parts, name, everyMs, work, signal);
  const quietly = (name: string, everyMs: number, work: () => Promise<void>, limitMs = QUIET_LIMIT_MS): Promise<void> =>
    every(name, everyMs, async () => {
      await untilQuiet(parts, limitMs, signal);
      await work();
    });
  await Promise.race([sweepLeases(ports), pause(ports.clock, FIRST_SWEEP_MS, signal)]);
  await Promise.all([
    every('stop leases', SWEEP_EVERY_MS, () => sweepLeases(ports)),
    every('read the epoch', EPOCH_EVERY_MS, () => epochs.refresh()),
    every('learn the barrier', BARRIER_EVERY_MS, () => barriers.refresh()),
    quietly('forget what is old', PRUNE_EVERY_MS, async () => prune(parts)),
    quietly('follow logs', LOGS_EVERY_MS, () => logs.run(signal)),
    quietly('discover', DISCOVER_EVERY_MS, () => discovery.run()),
    every('schedule', SCHEDULE_EVERY_MS, () => scheduler.startDue(signal)),
    quietly('look at machines', MACHINES_EVERY_MS, () => machineScheduler.startDue(signal)),
    quietly('publish', PUBLISH_EVERY_MS, async () => void (await publishDue(ports)), PUBLISH_QUIET_LIMIT_MS),
    quietly('registry of GPUs', REGISTRY_EVERY_MS, async () => reportConflicts(ports)),
    quietly('look for double grants', DOUBLE_GRANTS_EVERY_MS, () => findDoubleGrants(ports, signal)),
    quietly('set weights', WEIGHTS_EVERY_MS, () => setWeights(ports)),
    quietly('serve axon', AXON_EVERY_MS, () => serveAxon(ports, axon)),
    ...(decoys === null ? [] : [quietly('decoys', DECOYS_EVERY_MS, () => decoys.turn(signal))]),
  ]);
  await Promise.all([scheduler.settle(), machineScheduler.settle(), decoys?.settle()]);
  await sweepLeases(ports);
}

/** Discovers, checks every machine once, publishes, and ends. Returns the number of machines. */
export async function runOnce(parts: ValidatorParts, machineChecks: boolean, signal: AbortSignal): Promise<number> {
  const { ports, discovery, scheduler, machineScheduler } = parts;
  await sweepLeases(ports);
  await discovery.run();
  const machines = await scheduler.checkAllOnce(signal);
  if (machineChecks) await machineScheduler.checkAllOnce(signal);
  const untilMs = ports.clock.nowMs() + ONCE_FLUSH_MS;
  while (!signal.aborted && ports.clock.nowMs() < untilMs) {
    await Promise.all([publishDue(ports), sweepLeases(ports)]);
    if (ports.receipts.counts().waiting === 0 && ports.journal.open().length === 0) break;
    await pause(ports.clock, PUBLISH_EVERY_MS, signal);
  }
  await setWeights(ports).catch(() => {});
  return machines;
}

/** Keeps the store from growing with every check. */
function prune({ ports }: ValidatorParts): void {
  const beforeMs = ports.clock.unixMs() - KEEP_MS;
  ports.receipts.prune(beforeMs, PRUNE_AT_ONCE);
  ports.visits.prune(beforeMs);
}

/** Waits while a run is being timed: the event loop that reads the clock has nothing else to do then. */
async function untilQuiet({ ports }: ValidatorParts, limitMs: number, signal: AbortSignal): Promise<void> {
  const untilMs = ports.clock.nowMs() + limitMs;
  while (ports.timing.size > 0 && ports.clock.nowMs() < untilMs && !signal.aborted)
    await pause(ports.clock, QUIET_LOOK_MS, signal);
}

/** One loop: a failed turn is said once in a row and the next one tries again. */
async function repeat(
  parts: ValidatorParts,
  name: string,
  everyMs: number,
  work: () => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  const { clock, report } = parts.ports;
  let lastFault = '';
  while (!signal.aborted) {
    try {
      await work();
      lastFault = '';
    } catch (fault) {
      const detail = fault instanceof Error ? fault.message : String(fault);
      if (detail !== lastFault) report({ event: 'step', name, status: 'failed', detail });
      lastFault = detail;
    }
    await pause(clock, everyMs, signal);
  }
}
