/** Decides which machines are visited now, runs their checks a few at a time, and says what came of each. */

import { CeliumError, type Receipt } from '@celium/contract';
import type { ManifestDirectory, KnownMachine } from './discovery/manifest-directory.ts';
import type { Report } from './ports.ts';
import type { Visits } from './state/visits.ts';
import { checkMachine, type CheckPorts, type CheckReport } from './check/check-machine.ts';
import { nextCheckAtMs, type Intervals } from './check/due.ts';

/** What the scheduler needs from outside. */
export interface SchedulerPorts extends CheckPorts {
  directory: ManifestDirectory;
  visits: Visits;
  intervals: Intervals;
  /** Machines checked at the same time. */
  parallel: number;
  report: Report;
}

/** A unit that is due within this share of the interval is taken along, so that all units of a machine stay together. */
const TAKE_ALONG_SHARE = 0.1;
const VERDICTS_PER_UNIT = 4;

/** Machines and their checks. */
export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #checking = new Map<string, Promise<void>>();
  /** When units of a machine are due, unix ms; asked of the store once after every visit. */
  readonly #due = new Map<string, Map<string, number>>();

  constructor(ports: SchedulerPorts) {
    this.#ports = ports;
  }

  /** Starts checks of what is due, as far as there is room. */
  startDue(signal: AbortSignal): void {
    const { directory, parallel, clock } = this.#ports;
    const nowMs = clock.unixMs();
    for (const known of directory.machines()) {
      if (signal.aborted || this.#checking.size >= parallel) return;
      const key = known.machine.machineKey;
      if (this.#checking.has(key)) continue;
      const units = this.#dueUnits(known, nowMs);
      if (units.length > 0) this.#start(known, units, signal);
    }
  }

  /** Checks every known machine once, all units, whatever is due. */
  async checkAllOnce(signal: AbortSignal): Promise<number> {
    const machines = this.#ports.directory.machines();
    const queue = [...machines];
    const lane = async (): Promise<void> => {
      for (let known = queue.shift(); known !== undefined && !signal.aborted; known = queue.shift()) {
        this.#start(known, known.machine.units, signal);
        await this.#checking.get(known.machine.machineKey);
      }
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
    const { directory, visits } = this.#ports;
    return directory.machines().map(({ machine, hotkey }) => {
      const due = this.#due.get(machine.machineKey);
      const visit = visits.find(machine.machineKey);
      return {
        machineId: machine.machineId,
        machineKey: machine.machineKey,
        hotkey,
        units: machine.units,
        checking: this.#checking.has(machine.machineKey),
        nextCheckAtMs: due === undefined ? null : Math.min(...due.values()),
        lastVisit: visit === null ? null : { atMs: visit.atMs, outcome: visit.outcome, detail: visit.detail },
      };
    });
  }

  #dueUnits(known: KnownMachine, nowMs: number): string[] {
    const { intervals } = this.#ports;
    let due = this.#due.get(known.machine.machineKey);
    const { units } = known.machine;
    if (due === undefined || due.size !== units.length || units.some((unit) => due?.has(unit) !== true)) {
      due = this.#readDue(known);
      this.#due.set(known.machine.machineKey, due);
    }
    if (Math.min(...due.values()) > nowMs) return [];
    const alongMs = nowMs + intervals.recheckMs * TAKE_ALONG_SHARE;
    return units.filter((unit) => (due?.get(unit) ?? 0) <= alongMs);
  }

  #readDue(known: KnownMachine): Map<string, number> {
    const { receipts, visits, intervals, randomBytes } = this.#ports;
    const { machineKey, units } = known.machine;
    const verdicts = receipts.verdicts(machineKey, VERDICTS_PER_UNIT * units.length);
    const visit = visits.find(machineKey);
    // One draw for the whole machine: its units are to stay together.
    const jitter = (randomBytes(1)[0] ?? 0) / 256;
    return new Map(
      units.map((unit) => {
        const own = verdicts.filter((verdict) => verdict.unit === unit);
        return [unit, nextCheckAtMs(own, visit, intervals, jitter)];
      }),
    );
  }

  #start(known: KnownMachine, units: readonly string[], signal: AbortSignal): void {
    const key = known.machine.machineKey;
    const check = this.#check(known, units, signal).finally(() => {
      this.#checking.delete(key);
      this.#due.delete(key);
    });
    this.#checking.set(key, check);
  }

  /** Never rejects: a fault of our own is said and the machine visited again later. */
  async #check(known: KnownMachine, units: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, visits, report } = this.#ports;
    const { machineKey } = known.machine;
    const startedAtMs = clock.nowMs();
    let outcome: CheckReport;
    try {
      outcome = await checkMachine(this.#ports, known, units, signal);
    } catch (fault) {
      const code = fault instanceof CeliumError ? fault.code : 'INTERNAL';
      const message = fault instanceof Error ? fault.message : String(fault);
      outcome = { kind: 'void', code, message, units: [...units] };
    }
    const checkMs = Math.round(clock.nowMs() - startedAtMs);
    if (outcome.kind !== 'checked') {
      if (outcome.kind !== 'given-up')
        visits.note(machineKey, outcome.kind, `${outcome.code}: ${outcome.message}`, clock.unixMs());
      report({ ...lineOf(known), verdict: outcome.kind, units: outcome.units, reason: reasonOf(outcome), checkMs });
      return;
    }
    const leased = outcome.units[0]?.receipt.body.leased ?? 0;
    // Units that others hold were not tested: they are asked for again later, with growing pauses.
    if (leased > 0) visits.note(machineKey, 'partly-busy', `${leased} units are leased`, clock.unixMs());
    else visits.forget(machineKey);
    for (const { receipt, auditCpuSeconds, lagMs } of outcome.units)
      report({ ...lineOf(known), ...factsOf(receipt.body), auditCpuSeconds, lagMs, checkMs });
  }
}

function lineOf(known: KnownMachine): Record<string, unknown> {
  return {
    event: 'check',
    machineId: known.machine.machineId,
    machineKey: known.machine.machineKey,
    hotkey: known.hotkey,
  };
}

function reasonOf(outcome: { code: string; message: string }): { code: string; message: string } {
  return { code: outcome.code, message: outcome.message };
}

function factsOf(receipt: Receipt): Record<string, unknown> {
  return {
    receiptId: receipt.receiptId,
    unit: receipt.unit,
    verdict: receipt.verdict,
    class: receipt.measured.class,
    reason: receipt.reason,
    proofMs: receipt.measured.proofMs,
    deadlineMs: receipt.measured.deadlineMs,
    rttMs: receipt.measured.rttMs,
    workPerSecond: receipt.measured.workPerSecond,
    onboarding: receipt.onboarding,
    tested: receipt.tested,
    leased: receipt.leased,
  };
}
