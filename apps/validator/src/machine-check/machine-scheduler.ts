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
const VERDICTS = 8;

interface Plan {
  known: KnownMachine;
  template: Template | null;
}

export class MachineScheduler {
  readonly #ports: MachineSchedulerPorts;
  readonly #lookAt: LookAt;
  readonly #running = new Map<string, Promise<void>>();
  /** When a machine was first known to this process (unix ms), and the visits that brought nothing. */
  readonly #known = new Map<
    string,
    { sinceMs: number; visit: { atMs: number; count: number } | null; jitter: number }
  >();
  #week: { number: number; hash: string } | null = null;

  constructor(ports: MachineSchedulerPorts, lookAt: LookAt) {
    this.#ports = ports;
    this.#lookAt = lookAt;
  }

  /** Starts what is due, as far as there is room. Rejects when the chain does not answer. */
  async startDue(signal: AbortSignal): Promise<void> {
    if (this.#running.size >= MAX_AT_ONCE) return;
    const block = this.#ports.templates.length === 0 ? null : await this.#ports.finalizedBlock();
    if (block !== null) await this.#readWeek(weekOfBlock(block.number));
    const machines = this.#ports.directory.machines();
    const listed = new Set(machines.map(({ machine }) => machine.machineKey));
    for (const key of this.#known.keys()) if (!listed.has(key)) this.#known.delete(key);
    for (const known of machines) {
      if (signal.aborted || this.#running.size >= MAX_AT_ONCE) return;
      const plan = this.#planOf(known, block?.number ?? 0);
      if (plan !== null) void this.#start(plan, block?.number ?? 0, signal);
    }
  }

  /** Looks at every machine once, one after another, and deploys a template on each when there are any. */
  async checkAllOnce(signal: AbortSignal): Promise<void> {
    for (const known of this.#ports.directory.machines())
      if (!signal.aborted) await this.#start({ known, template: this.#drawTemplate() }, 0, signal);
  }

  /** Waits for the checks that run. */
  async settle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** What is due of a machine: a large deploy when its turn has come, else the routine; null for nothing. */
  #planOf(known: KnownMachine, block: number): Plan | null {
    const { clock, machineBook, receipts, machineIntervals, assignmentOf, checksAll, randomBytes } = this.#ports;
    const { machineKey } = known.machine;
    const nowMs = clock.unixMs();
    const noted = this.#known.get(machineKey) ?? {
      sinceMs: nowMs,
      visit: null,
      jitter: (randomBytes(1)[0] ?? 0) / 256,
    };
    this.#known.set(machineKey, noted);
    // Units first: there is nothing around a machine that proves nothing.
    if (this.#running.has(machineKey) || receipts.verdicts(machineKey, 1)[0]?.verdict !== 'pass') return null;
    const newest = machineBook.verdicts(machineKey, VERDICTS);
    const visitMs = noted.visit === null ? 0 : nextMachineCheckAtMs([], noted.visit, machineIntervals, noted.jitter);
    if (visitMs > nowMs || (newest.length === 0 && noted.sinceMs + FIRST_AFTER_MS > nowMs)) return null;
    if (this.#isDeployDue(machineKey, block)) return { known, template: this.#drawTemplate() };
    if (!(checksAll || isAssigned(assignmentOf(machineKey).place))) return null;
    const dueMs = nextMachineCheckAtMs(newest, noted.visit, machineIntervals, noted.jitter);
    return dueMs > nowMs ? null : { known, template: null };
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
    const check = this.#check(plan, block, signal).finally(() => this.#running.delete(key));
    this.#running.set(key, check);
    return check;
  }

  /** Never rejects: a fault of our own is said and the machine visited again later. */
  async #check({ known, template }: Plan, block: number, signal: AbortSignal): Promise<void> {
    const { clock, machineBook, report, randomBytes, markets } = this.#ports;
    const { machine } = known;
    const startedMs = clock.nowMs();
    const deploy = { block, atMs: clock.unixMs() };
    if (template !== null) machineBook.noteDeploy(machine.machineKey, { ...deploy, verdict: 'fail' });
    const unit = machine.units[(randomBytes(1)[0] ?? 0) % machine.units.length] ?? '';
    let outcome: MachineCheckReport;
    try {
      outcome = await this.#lookAt(known, unit, template, signal);
    } catch (fault) {
      const code = fault instanceof CeliumError ? fault.code : 'INTERNAL';
      outcome = { kind: 'void', code, message: fault instanceof Error ? fault.message : String(fault) };
    }
    const line = { event: 'machine-check', machineId: machine.machineId, machineKey: machine.machineKey, unit };
    const checkMs = Math.round(clock.nowMs() - startedMs);
    const noted = this.#known.get(machine.machineKey);
    if (outcome.kind !== 'checked') {
      if (noted !== undefined) noted.visit = { atMs: clock.unixMs(), count: (noted.visit?.count ?? 0) + 1 };
      // Nothing was deployed on a machine that was busy: the turn stays.
      if (template !== null && outcome.kind === 'busy') machineBook.forgetDeploy(machine.machineKey);
      const { code, message } = outcome;
      return report({ ...line, verdict: outcome.kind, reason: { code, message }, checkMs });
    }
    if (noted !== undefined) noted.visit = null;
    const { receipt, auditCpuSeconds } = outcome;
    machineBook.add(receipt, marketsOf(known, markets), clock.unixMs());
    const { verdict, parts, receiptId } = receipt.body;
    if (template !== null && parts.image.verdict === 'pass')
      machineBook.noteDeploy(machine.machineKey, { ...deploy, verdict: 'pass' });
    report({ ...line, receiptId, verdict, parts, auditCpuSeconds, checkMs });
  }
}
