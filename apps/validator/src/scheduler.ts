/** Decides which machines are visited now, runs their checks a few at a time, and says what came of each. */

import { CeliumError } from '@celium/contract';
import { BARRIER_PREPARE_MS, firstCheckAfterMs, isAssigned } from '@celium/domain';
import { linesOfCheck } from './check/check-lines.ts';
import type { CheckReport } from './check/check-machine.ts';
import { DueTimes, type DuePorts } from './check/due-times.ts';
import { Lanes } from './check/lanes.ts';
import { runBarrier, type BarrierStart } from './check/network-barrier.ts';
import type { MachineLogs } from './discovery/machine-logs.ts';
import type { ManifestDirectory, KnownMachine } from './discovery/manifest-directory.ts';
import type { NetworkBarrier } from './epoch/barrier-keeper.ts';
import { sha256 } from './epoch/digest.ts';
import type { Assignment } from './epoch/epoch-watch.ts';
import type { Report, ValidatorClock } from './ports.ts';
import type { Visits } from './state/visits.ts';

/** One check of one machine; `checkMachine` with its ports in the program. */
export type CheckOne = (
  known: KnownMachine,
  units: readonly string[],
  signal: AbortSignal,
  start: BarrierStart | null,
) => Promise<CheckReport>;

/** What the scheduler needs from outside. */
export interface SchedulerPorts extends DuePorts {
  clock: ValidatorClock;
  directory: Pick<ManifestDirectory, 'machines'>;
  visits: Visits;
  /** Our place in the draw of a machine. */
  assignmentOf: (machineKey: string) => Assignment;
  /** What the machines' own published logs tell. */
  logs: Pick<MachineLogs, 'releaseDueAtMs' | 'isUnchecked'>;
  /** The barrier of this epoch, once its second is known. */
  barrier: () => NetworkBarrier | null;
  /** The operator wants every machine checked, assigned or not. */
  checksAll: boolean;
  /** Machines checked at the same time. */
  parallel: number;
  /** Audits that wait for a thread: with more of them than lanes nothing new is started. */
  auditBacklog: () => number;
  report: Report;
}

/** A check is over within this time as a rule: so long before a barrier's leases are taken nothing else is started that may be in their way. */
const CHECK_MS = 60_000;

/** Checks before a hand-over: so many run beside all others, and so many wait at most. */
const URGENT_PARALLEL = 8;
const URGENT_WAITING = 64;

/** Machines and their checks. */
export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #checkOne: CheckOne;
  readonly #dueTimes: DueTimes;
  readonly #checking = new Map<string, Promise<CheckReport>>();
  readonly #urgent = new Lanes(URGENT_PARALLEL);
  /** The last barrier that we took machines to. */
  #barrierId = '';

  constructor(ports: SchedulerPorts, checkOne: CheckOne) {
    this.#ports = ports;
    this.#checkOne = checkOne;
    this.#dueTimes = new DueTimes(ports);
  }

  /** Starts checks of what is due, as far as there is room: machines without any verdict first, then what is due the longest. */
  startDue(signal: AbortSignal): void {
    const { parallel, auditBacklog } = this.#ports;
    if (signal.aborted || this.#takeBarrier(signal)) return;
    if (this.#checking.size >= parallel || auditBacklog() >= parallel) return;
    const due = this.#findDue().sort((a, b) => a.atMs - b.atMs);
    for (const { known, units } of due) {
      if (this.#checking.size >= parallel) return;
      void this.#start(known, units, signal);
    }
  }

  /**
   * Checks units of a machine before a hand-over, ahead of what is due and whoever is assigned; a check that runs on the machine already is
   * waited for instead, its verdict being as fresh. Nothing is started after `deadlineMs` (unix), and what was started is not cut off by it.
   * Never rejects: `refused` for what is not listed, `given-up` when there was no room in time.
   */
  async checkNow(
    machineKey: string,
    units: readonly string[],
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<CheckReport> {
    const no = (kind: 'refused' | 'given-up', code: string, message: string): CheckReport => ({
      kind,
      code,
      message,
      units: [...units],
    });
    const known = this.#ports.directory.machines().find(({ machine }) => machine.machineKey === machineKey);
    if (known === undefined || units.length === 0 || units.some((unit) => !known.machine.units.includes(unit)))
      return no('refused', 'UNITS_UNKNOWN', 'no manifest that we know lists these units');
    if (this.#urgent.waiting >= URGENT_WAITING) return no('given-up', 'RATE_LIMITED', 'too many hand-overs wait');
    const giveBack = await this.#urgent.take();
    try {
      const running = this.#checking.get(machineKey);
      if (running !== undefined) return await running;
      if (signal.aborted || this.#ports.clock.unixMs() > deadlineMs)
        return no('given-up', 'TIMEOUT', 'no room for a check before the deadline');
      return await this.#start(known, units, signal);
    } finally {
      giveBack();
    }
  }

  /** Checks every known machine once, all units, whatever is due and to whomever it is assigned. */
  async checkAllOnce(signal: AbortSignal): Promise<number> {
    const machines = this.#ports.directory.machines();
    const queue = [...machines];
    const lane = async (): Promise<void> => {
      for (let known = queue.shift(); known !== undefined && !signal.aborted; known = queue.shift())
        await this.#start(known, known.machine.units, signal);
    };
    await Promise.all(Array.from({ length: this.#ports.parallel }, lane));
    return machines.length;
  }

  /** Waits for the checks that run. */
  async settle(): Promise<void> {
    await Promise.all(this.#checking.values());
  }

  /** What the status page says of each machine. */
  describe(): Array<Record<string, unknown>> {
    const { directory, visits, assignmentOf } = this.#ports;
    return directory.machines().map(({ machine, hotkey }) => {
      const visit = visits.find(machine.machineKey);
      const { place } = assignmentOf(machine.machineKey);
      return {
        machineId: machine.machineId,
        machineKey: machine.machineKey,
        hotkey,
        units: machine.units,
        place: place < 0 ? null : place,
        assigned: isAssigned(place),
        checking: this.#checking.has(machine.machineKey),
        nextCheck: this.#dueTimes.windowOf(machine.machineKey),
        lastVisit: visit === null ? null : { atMs: visit.atMs, outcome: visit.outcome, detail: visit.detail },
      };
    });
  }

  /** How much is held in memory, for who wants to see that it does not grow. */
  retained(): { machines: number; checking: number } {
    return { machines: this.#dueTimes.size, checking: this.#checking.size };
  }

  #findDue(): Array<{ known: KnownMachine; units: string[]; atMs: number }> {
    const { directory, clock, assignmentOf, checksAll, logs } = this.#ports;
    const nowMs = clock.unixMs();
    const machines = directory.machines();
    this.#dueTimes.retain(machines);
    const found = [];
    for (const known of machines) {
      const { machineKey } = known.machine;
      const { place, sinceMs } = assignmentOf(machineKey);
      if (this.#checking.has(machineKey) || !this.#fallsToUs(machineKey, place)) continue;
      const ours = checksAll ? 0 : place;
      const terms = { place: ours, sinceMs, releaseDueAtMs: logs.releaseDueAtMs(machineKey, ours) };
      const due = this.#dueTimes.find(known, terms, nowMs);
      if (due !== null) found.push({ known, ...due });
    }
    return found;
  }

  /** Assigned machines, and those whose log shows no check by anybody, if we are drawn to stand in. */
  #fallsToUs(machineKey: string, place: number): boolean {
    const { checksAll, logs } = this.#ports;
    return checksAll || isAssigned(place) || (firstCheckAfterMs(place) !== null && logs.isUnchecked(machineKey));
  }

  /** True while a barrier is near: then only its machines are started, once, at its own time. */
  #takeBarrier(signal: AbortSignal): boolean {
    const { clock, barrier: current } = this.#ports;
    const barrier = current();
    if (barrier === null) return false;
    const leftMs = barrier.momentMs - clock.unixMs();
    if (leftMs <= 0 || leftMs > BARRIER_PREPARE_MS + CHECK_MS) return false;
    if (leftMs > BARRIER_PREPARE_MS || this.#barrierId === barrier.id) return true;
    this.#barrierId = barrier.id;
    const machines = this.#machinesOf(barrier);
    const check = (known: KnownMachine, start: BarrierStart): Promise<unknown> =>
      this.#start(known, known.machine.units, signal, start);
    void runBarrier(clock, barrier, machines, check, signal);
    return true;
  }

  /** Machines whose first place we hold, so that each is in the barrier at one validator; in an order that nobody knew before. */
  #machinesOf({ id }: NetworkBarrier): KnownMachine[] {
    const { directory, assignmentOf } = this.#ports;
    const order = (known: KnownMachine): string => Buffer.from(sha256(id + known.machine.machineKey)).toString('hex');
    return directory
      .machines()
      .filter(({ machine }) => assignmentOf(machine.machineKey).place === 0 && !this.#checking.has(machine.machineKey))
      .map((known) => ({ known, order: order(known) }))
      .sort((a, b) => (a.order < b.order ? -1 : 1))
      .map(({ known }) => known);
  }

  #start(
    known: KnownMachine,
    units: readonly string[],
    signal: AbortSignal,
    start: BarrierStart | null = null,
  ): Promise<CheckReport> {
    const key = known.machine.machineKey;
    const check = this.#check(known, units, signal, start).finally(() => {
      this.#checking.delete(key);
      this.#dueTimes.forget(key);
    });
    this.#checking.set(key, check);
    return check;
  }

  /** Never rejects: a fault of our own is said and the machine visited again later. */
  async #check(
    known: KnownMachine,
    units: readonly string[],
    signal: AbortSignal,
    start: BarrierStart | null,
  ): Promise<CheckReport> {
    const { clock, visits, report } = this.#ports;
    const { machineKey } = known.machine;
    const startedAtMs = clock.nowMs();
    let outcome: CheckReport;
    try {
      outcome = await this.#checkOne(known, units, signal, start);
    } catch (fault) {
      const code = fault instanceof CeliumError ? fault.code : 'INTERNAL';
      const message = fault instanceof Error ? fault.message : String(fault);
      outcome = { kind: 'void', code, message, units: [...units] };
    }
    const checkMs = Math.round(clock.nowMs() - startedAtMs);
    if (outcome.kind === 'checked') {
      const leased = outcome.units[0]?.receipt.body.leased ?? 0;
      // Units that others hold were not tested: they are asked for again later, with growing pauses.
      if (leased > 0) visits.note(machineKey, 'partly-busy', `${leased} units are leased`, clock.unixMs());
      else visits.forget(machineKey);
    } else if (outcome.kind !== 'given-up')
      visits.note(machineKey, outcome.kind, `${outcome.code}: ${outcome.message}`, clock.unixMs());
    const part = start === null ? {} : { barrier: start.missed ? 'missed' : 'joined' };
    for (const line of linesOfCheck(known, outcome, checkMs)) report({ ...line, ...part });
    return outcome;
  }
}
