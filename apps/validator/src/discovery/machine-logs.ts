/** Follows the published logs of the machines that fall to us: when a lease ended, and whether anybody checks the machine at all. */

import { NO_NEWS, readLeaseEntry, releaseDueAtMs, type LeaseNews } from '@celium/domain';
import type { ReadAgentLog } from '../network/agent-log.ts';
import type { ValidatorClock } from '../ports.ts';
import type { KnownMachine, ManifestDirectory } from './manifest-directory.ts';

/** What following logs needs from outside. */
export interface MachineLogPorts {
  clock: ValidatorClock;
  directory: Pick<ManifestDirectory, 'machines'>;
  readLog: ReadAgentLog;
  /** Whether the machine's log matters to us. */
  concerns: (machineKey: string) => boolean;
  /** Whether the last visit found it leased: then its release is waited for. */
  isLeased: (machineKey: string) => boolean;
}

/** A leased machine's log is read this often, and that of any other machine. */
const LEASED_EVERY_MS = 60_000;
const IDLE_EVERY_MS = 300_000;
const AT_ONCE = 8;
/** How far back a log is read at first. */
const FIRST_ENTRIES = 100;
/** Beyond the end of every log: the answer has the head and no entries. */
const PAST_THE_END = Number.MAX_SAFE_INTEGER;

interface Followed {
  /** The next entry to read; null until the log's height is known. */
  nextSeq: number | null;
  nextReadAtMs: number;
  news: LeaseNews;
}

/** Logs by machine key; one small record for each machine that concerns us. */
export class MachineLogs {
  readonly #ports: MachineLogPorts;
  readonly #followed = new Map<string, Followed>();

  constructor(ports: MachineLogPorts) {
    this.#ports = ports;
  }

  /** Reads what is due, a few at a time. */
  async run(signal: AbortSignal): Promise<void> {
    const { directory, concerns, clock } = this.#ports;
    const machines = directory.machines().filter(({ machine }) => concerns(machine.machineKey));
    const keys = new Set(machines.map(({ machine }) => machine.machineKey));
    for (const key of this.#followed.keys()) if (!keys.has(key)) this.#followed.delete(key);
    const due = machines.filter(
      ({ machine }) => (this.#followed.get(machine.machineKey)?.nextReadAtMs ?? 0) <= clock.nowMs(),
    );
    const lane = async (): Promise<void> => {
      for (let known = due.shift(); known !== undefined && !signal.aborted; known = due.shift())
        await this.#read(known);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  }

  /** When a check after the last release is due at our place, unix ms, or null. */
  releaseDueAtMs(machineKey: string, place: number): number | null {
    const followed = this.#followed.get(machineKey);
    return followed === undefined ? null : releaseDueAtMs(followed.news, place);
  }

  /** Whether the machine's log was read and shows no check by anybody. */
  isUnchecked(machineKey: string): boolean {
    const followed = this.#followed.get(machineKey);
    return followed !== undefined && followed.nextSeq !== null && followed.news.checkedAtMs === null;
  }

  /** Number of machines that are followed. */
  get size(): number {
    return this.#followed.size;
  }

  async #read({ machine }: KnownMachine): Promise<void> {
    const { clock, readLog, isLeased } = this.#ports;
    const key = machine.machineKey;
    const followed = this.#followed.get(key) ?? { nextSeq: null, nextReadAtMs: 0, news: NO_NEWS };
    this.#followed.set(key, followed);
    followed.nextReadAtMs = clock.nowMs() + (isLeased(key) ? LEASED_EVERY_MS : IDLE_EVERY_MS);
    let from = followed.nextSeq;
    const isFirst = from === null;
    if (from === null) {
      const end = await readLog(machine, PAST_THE_END);
      if (end === null) return;
      from = Math.max(1, end.height - FIRST_ENTRIES + 1);
    }
    const page = await readLog(machine, from);
    if (page === null) return;
    // A log that became shorter is a new one, or a liar's: it is read anew.
    followed.nextSeq = page.height + 1 < from ? null : from;
    for (const entry of page.entries) {
      if (followed.nextSeq !== entry.seq) break;
      followed.nextSeq += 1;
      const body = (entry.body ?? {}) as { leaseId?: unknown; kind?: unknown };
      const leaseId = typeof body.leaseId === 'string' ? body.leaseId.slice(0, 64) : '';
      const leaseKind = typeof body.kind === 'string' ? body.kind : null;
      const news = readLeaseEntry(followed.news, { kind: entry.kind, leaseId, leaseKind, seenAtMs: clock.unixMs() });
      // What ended before we came is no release that we have to look into.
      followed.news = isFirst ? { ...news, releasedAtMs: null } : news;
    }
  }
}
