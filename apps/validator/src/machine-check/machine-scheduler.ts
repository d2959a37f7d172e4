/** Decides which machines are looked at beyond their units, and which get a large deploy; runs a few such checks at a time. */

import { CeliumError } from '@celium/contract';
import {
  drawValidators,
  isAssigned,
  mayDeployNow,
  nextMachineCheckAtMs,
  VALIDATORS_PER_MACHINE,
  WEEK_BLOCKS,
  weekOfBlock,
  type MachineIntervals,
} from '@celium/domain';
import { marketsOf } from '../check/check-machine.ts';
import type { KnownMachine, ManifestDirectory } from '../discovery/manifest-directory.ts';
import { sha256 } from '../epoch/digest.ts';
import type { Assignment, EpochView } from '../epoch/epoch-watch.ts';
import type { RandomBytes, Report, ValidatorClock } from '../ports.ts';
import type { MachineBook } from '../state/machine-book.ts';
import type { MarketAddress, ReceiptBook } from '../state/receipt-book.ts';
import type { MachineCheckReport } from './check-surroundings.ts';
import type { Template } from './template.ts';

/** One machine check; `checkSurroundings` with its ports in the program. */
export type LookAt = (
  known: KnownMachine,
  unit: string,
  template: Template | null,
  signal: AbortSignal,
) => Promise<MachineCheckReport>;

/** What the scheduler needs from outside. */
export interface MachineSchedulerPorts {
  clock: ValidatorClock;
  randomBytes: RandomBytes;
  hotkey: { ss58: string };
  directory: Pick<ManifestDirectory, 'machines'>;
  receipts: ReceiptBook;
  machineBook: MachineBook;
  markets: readonly MarketAddress[];
  assignmentOf: (machineKey: string) => Assignment;
  checksAll: boolean;
  machineIntervals: MachineIntervals;
  templates: readonly Template[];
  /** The present epoch, and a finalised block by its number. */
  view: () => EpochView | null;
  blockByNumber: (number: number) => Promise<{ hash: string }>;
  finalizedBlock: () => Promise<{ number: number; hash: string }>;
  report: Report;
}

/** Machine checks at the same time: each takes a line and a disk for a while. */
const MAX_AT_ONCE = 2;
/** A newcomer is listed and rented first. */
const FIRST_AFTER_MS = 10 * 60_000;
/** A machine with nothing due is not thought about again before this, or before it is due: thousands of them cost the event loop nothing. */
const THINK_AGAIN_MS = 5 * 60_000;
const VERDICTS = 8;
/** Units of a machine that are asked for in one visit, until one is free. */
const MAX_UNITS_TRIED = 8;

interface Plan {
  known: KnownMachine;
  deploys: boolean;
  /** Since when it has been due (unix ms). */
  dueMs: number;
}

/** What this process knows of a machine besides its records. */
interface Noted {
  sinceMs: number;
  /** The visits that brought nothing since the last that did. */
  visit: { atMs: number; count: number } | null;
  jitter: number;
  thinkAgainMs: number;
}

export class MachineScheduler {
  readonly #ports: MachineSchedulerPorts;
  readonly #lookAt: LookAt;
  readonly #running = new Map<string, Promise<void>>();
  readonly #known = new Map<string, Noted>();
  #week: { number: number; hash: string } | null = null;

  constructor(ports: MachineSchedulerPorts, lookAt: LookAt) {
    this.#ports = ports;
    this.#lookAt = lookAt;
  }

  /** Starts what is due, the longest overdue first, as far as there is room. Rejects when the chain does not answer. */
  async startDue(signal: AbortSignal): Promise<void> {
    if (this.#running.size >= MAX_AT_ONCE) return;
    const block = this.#ports.templates.length === 0 ? null : await this.#ports.finalizedBlock();
    if (block !== null) await this.#readWeek(weekOfBlock(block.number));
    const machines = this.#ports.directory.machines();
    const listed = new Set(machines.map(({ machine }) => machine.machineKey));
    for (const key of this.#known.keys()) if (!listed.has(key)) this.#known.delete(key);
    const due = machines.flatMap((known) => this.#planOf(known, block?.number ?? 0) ?? []);
    for (const plan of due.sort((a, b) => a.dueMs - b.dueMs)) {
      if (signal.aborted || this.#running.size >= MAX_AT_ONCE) return;
      void this.#start(plan, block?.number ?? 0, signal);
    }
  }

  /** Looks at every machine once, one after another, and deploys a template on each when there are any. */
  async checkAllOnce(signal: AbortSignal): Promise<void> {
    for (const known of this.#ports.directory.machines())
      if (!signal.aborted) await this.#start({ known, deploys: this.#ports.templates.length > 0, dueMs: 0 }, 0, signal);
  }

  /** Waits for the checks that run. */
  async settle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** What is due of a machine: a large deploy when its turn has come, else the routine; null for nothing. */
  #planOf(known: KnownMachine, block: number): Plan | null {
    const { machineKey } = known.machine;
    const nowMs = this.#ports.clock.unixMs();
    const noted = this.#notedOf(machineKey, nowMs);
    if (this.#running.has(machineKey) || noted.thinkAgainMs > nowMs) return null;
    const plan = this.#dueOf(known, noted, block);
    if (plan.dueMs <= nowMs) return plan;
    noted.thinkAgainMs = Math.min(plan.dueMs, nowMs + THINK_AGAIN_MS);
    return null;
  }

  /** What comes next of a machine, and when; at `Infinity` nothing does. */
  #dueOf(known: KnownMachine, noted: Noted, block: number): Plan {
    const { machineBook, receipts, machineIntervals, assignmentOf, checksAll } = this.#ports;
    const { machineKey } = known.machine;
    const never = { known, deploys: false, dueMs: Infinity };
    // Units first: there is nothing around a machine that proves nothing.
    if (receipts.verdicts(machineKey, 1)[0]?.verdict !== 'pass') return never;
    const newest = machineBook.verdicts(machineKey, VERDICTS);
    const firstMs = newest.length === 0 ? noted.sinceMs + FIRST_AFTER_MS : 0;
    const visitMs = noted.visit === null ? 0 : nextMachineCheckAtMs([], noted.visit, machineIntervals, noted.jitter);
    const earliestMs = Math.max(firstMs, visitMs);
    if (this.#isDeployDue(machineKey, block)) return { known, deploys: true, dueMs: earliestMs };
    if (!(checksAll || isAssigned(assignmentOf(machineKey).place))) return never;
    const dueMs = nextMachineCheckAtMs(newest, noted.visit, machineIntervals, noted.jitter);
    return { known, deploys: false, dueMs: Math.max(dueMs, earliestMs) };
  }

  #notedOf(machineKey: string, nowMs: number): Noted {
    const noted = this.#known.get(machineKey) ?? {
      sinceMs: nowMs,
      visit: null,
      jitter: (this.#ports.randomBytes(1)[0] ?? 0) / 256,
      thinkAgainMs: 0,
    };
    this.#known.set(machineKey, noted);
    return noted;
  }

  #isDeployDue(machineKey: string, block: number): boolean {
    const { templates, view, hotkey, clock, machineBook } = this.#ports;
    const epoch = view();
    if (templates.length === 0 || epoch === null || this.#week === null) return false;
    const { hash } = this.#week;
    const assigned = drawValidators({ blockHash: hash, permits: epoch.permits }, machineKey, sha256);
    return mayDeployNow(
      {
        self: hotkey.ss58,
        block,
        nowMs: clock.unixMs(),
        draw: sha256(`celium/large-deploy/v1\n${hash}\n${machineKey}`),
        assigned: assigned.slice(0, VALIDATORS_PER_MACHINE),
      },
      machineBook.lastDeploy(machineKey),
    );
  }

  async #readWeek(number: number): Promise<void> {
    if (this.#week?.number === number) return;
    const { hash } = await this.#ports.blockByNumber(Math.max(1, number * WEEK_BLOCKS));
    this.#week = { number, hash: hash.replace(/^0x/, '') };
  }

  /** Fresh randomness: nobody knows the template before its lease request. */
  #drawTemplate(): Template | null {
    const { templates, randomBytes } = this.#ports;
    return templates[Buffer.from(randomBytes(4)).readUInt32BE() % Math.max(1, templates.length)] ?? null;
  }

  #start(plan: Plan, block: number, signal: AbortSignal): Promise<void> {
    const key = plan.known.machine.machineKey;
    const check = this.#check(plan, block, signal)
      .catch((fault: unknown) => {
        // What cannot be written down is said, and is no reason to look again at once.
        this.#noteVisit(key);
        const detail = fault instanceof Error ? fault.message : String(fault);
        this.#ports.report({ event: 'step', name: 'machine check', status: 'failed', machineKey: key, detail });
      })
      .finally(() => this.#running.delete(key));
    this.#running.set(key, check);
    return check;
  }

  #noteVisit(machineKey: string): void {
    const noted = this.#known.get(machineKey);
    if (noted !== undefined) noted.visit = { atMs: this.#ports.clock.unixMs(), count: (noted.visit?.count ?? 0) + 1 };
  }

  /** A fault of our own during the visit is said and the machine visited again later. Rejects when the records cannot be written. */
  async #check({ known, deploys }: Plan, block: number, signal: AbortSignal): Promise<void> {
    const { clock, machineBook, report, markets } = this.#ports;
    const { machine } = known;
    const { machineKey } = machine;
    const startedMs = clock.nowMs();
    const deploy = { block, atMs: clock.unixMs() };
    if (deploys) machineBook.noteDeploy(machineKey, { ...deploy, verdict: 'fail' });
    const { unit, outcome } = await this.#visit(known, deploys, signal);
    const noted = this.#known.get(machineKey);
    const line = { event: 'machine-check', machineId: machine.machineId, machineKey, unit };
    const checkMs = Math.round(clock.nowMs() - startedMs);
    if (noted !== undefined) noted.thinkAgainMs = 0;
    if (outcome.kind !== 'checked') {
      this.#noteVisit(machineKey);
      // Nothing was deployed on a machine that was busy: the turn stays.
      if (deploys && outcome.kind === 'busy') machineBook.forgetDeploy(machineKey);
      const { code, message } = outcome;
      return report({ ...line, verdict: outcome.kind, reason: { code, message }, checkMs });
    }
    if (noted !== undefined) noted.visit = null;
    const { receipt, auditCpuSeconds } = outcome;
    machineBook.add(receipt, marketsOf(known, markets), clock.unixMs());
    const { verdict, parts, receiptId } = receipt.body;
    if (deploys && parts.image.verdict === 'pass') machineBook.noteDeploy(machineKey, { ...deploy, verdict: 'pass' });
    report({ ...line, receiptId, verdict, parts, auditCpuSeconds, checkMs });
  }

  /** Asks for one unit after another in an order that nobody foresees, until one is free. A template that a refusal has given away is not used. */
  async #visit(
    known: KnownMachine,
    deploys: boolean,
    signal: AbortSignal,
  ): Promise<{ unit: string; outcome: MachineCheckReport }> {
    const left = [...known.machine.units];
    for (let tried = 1; ; tried += 1) {
      const index = Buffer.from(this.#ports.randomBytes(4)).readUInt32BE() % left.length;
      const unit = left.splice(index, 1)[0] ?? '';
      const outcome = await this.#lookOnce(known, unit, deploys ? this.#drawTemplate() : null, signal);
      const isLast = left.length === 0 || tried >= MAX_UNITS_TRIED || signal.aborted;
      if (outcome.kind !== 'busy' || isLast) return { unit, outcome };
    }
  }

  async #lookOnce(...ask: Parameters<LookAt>): Promise<MachineCheckReport> {
    try {
      return await this.#lookAt(...ask);
    } catch (fault) {
      const code = fault instanceof CeliumError ? fault.code : 'INTERNAL';
      return { kind: 'void', code, message: fault instanceof Error ? fault.message : String(fault) };
    }
  }
}
