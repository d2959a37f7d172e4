/** Which machines are looked at around their units, and when: in virtual time, over the real records, with visits that end as a test says. */

import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { keyFromUri, signDocument } from '@celium/chain';
import type { MachineParts } from '@celium/contract';
import { WEEK_BLOCKS, weekOfBlock } from '@celium/domain';
import { expect, test } from 'vitest';
import type { KnownMachine } from '../discovery/manifest-directory.ts';
import { SCHEMA } from '../state/database.ts';
import { MachineBook } from '../state/machine-book.ts';
import { ReceiptBook } from '../state/receipt-book.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { VirtualTime } from '../testing/virtual-time.ts';
import { uuidFrom } from '../check/lease.ts';
import type { MachineCheckReport } from './check-surroundings.ts';
import { MachineScheduler, type MachineSchedulerPorts } from './machine-scheduler.ts';
import type { Template } from './template.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const INTERVALS = { recheckMs: 12 * HOUR, retryMs: 10 * MINUTE };
const SELF = keyFromUri('//machine-scheduler');
const TEMPLATES: Template[] = ['small', 'large'].map((name) => ({
  name,
  image: `registry.example/${name}@sha256:${'ab'.repeat(32)}`,
  digest: `sha256:${'ab'.repeat(32)}`,
  imageBytes: 10_000_000_000,
  files: [],
  chunks: 1,
}));

/** How a visit ends; `never` is a process that dies during it. */
type Outcome = 'pass' | 'fail' | 'busy' | 'unreachable' | 'fault' | 'never';

interface Visit {
  machineKey: string;
  unit: string;
  template: string | null;
  atMs: number;
}

interface Options {
  machines?: number;
  units?: string[];
  templates?: Template[];
  self?: string;
  permits?: string[];
  database?: DatabaseSync;
  time?: VirtualTime;
  ends?: (visit: Visit) => Outcome;
  unitVerdict?: 'pass' | 'fail' | null;
  own?: Partial<MachineSchedulerPorts>;
}

/** Bytes that look random and are the same in every run. */
function drawsOf(seed: string): (length: number) => Uint8Array {
  let draws = 0;
  return (length) => {
    draws += 1;
    return createHash('sha512').update(`${seed} ${draws}`).digest().subarray(0, length);
  };
}

/** A scheduler over machines of its own records; `turns` lets time pass with a turn in every step of it. */
function schedule(options: Options = {}) {
  const time = options.time ?? new VirtualTime();
  const database = options.database ?? new DatabaseSync(':memory:');
  database.exec(SCHEMA);
  const { machine } = new LocalAgent({ nowMs: time.unixMs, units: options.units ?? ['GPU-00000001-aaaa'] });
  const machines = Array.from({ length: options.machines ?? 1 }, (_, index): KnownMachine => ({
    hotkey: SELF.ss58,
    hotkeyHex: '',
    machine: { ...machine, machineKey: (index + 1).toString(16).padStart(64, '0') },
  }));
  const receipts = new ReceiptBook(database);
  const machineBook = new MachineBook(database, receipts);
  const verdict = options.unitVerdict === undefined ? 'pass' : options.unitVerdict;
  const proven = database.prepare(
    `INSERT OR IGNORE INTO receipts (receipt_id, machine_key, hotkey, unit, verdict, ended_at_ms, receipt, grant, transcript_hash)
     VALUES (?, ?, 'provider', ?, ?, 1, '{}', '{}', '')`,
  );
  for (const [index, known] of machines.entries())
    if (verdict !== null) proven.run(String(index), known.machine.machineKey, known.machine.units[0]!, verdict);
  const randomBytes = drawsOf(`${options.self ?? ''} ${time.nowMs()}`);
  const visits: Visit[] = [];
  const lines: Array<Record<string, unknown>> = [];
  /** Twelve seconds a block, and a start in the middle of a week. */
  const blockAt = (): number => Math.floor(WEEK_BLOCKS * 3.5 + time.nowMs() / 12_000);
  const hashOf = (number: number): string => createHash('sha256').update(`block ${number}`).digest('hex');
  const self = options.self ?? SELF.ss58;
  let running = 0;
  let most = 0;
  const scheduler = new MachineScheduler(
    {
      clock: time,
      randomBytes,
      hotkey: { ss58: self },
      directory: { machines: () => machines },
      receipts,
      machineBook,
      markets: [],
      assignmentOf: () => ({ place: 0, sinceMs: 0 }),
      checksAll: false,
      machineIntervals: INTERVALS,
      templates: options.templates ?? [],
      view: () => ({
        block: { number: blockAt(), hash: `0x${hashOf(blockAt())}`, timeMs: time.unixMs() },
        tempo: 360,
        permits: options.permits ?? [self],
        axons: new Map(),
        coordinator: null,
      }),
      blockByNumber: async (number) => ({ hash: `0x${hashOf(number)}` }),
      finalizedBlock: async () => ({ number: blockAt(), hash: `0x${hashOf(blockAt())}` }),
      report: (line) => void lines.push(line),
      ...options.own,
    },
    async (known, unit, template) => {
      const visit = {
        machineKey: known.machine.machineKey,
        unit,
        template: template?.name ?? null,
        atMs: time.nowMs(),
      };
      visits.push(visit);
      running += 1;
      most = Math.max(most, running);
      await new Promise<void>((resolve) => void time.setTimer(MINUTE, resolve));
      running -= 1;
      const outcome = options.ends?.(visit) ?? 'pass';
      if (outcome === 'never') return new Promise(() => {});
      if (outcome === 'fault') throw new Error('a fault of our own');
      return endAs(outcome, visit, time.unixMs(), uuidFrom(randomBytes));
    },
  );
  /** Turns over `lastMs`, one in every `everyMs`. */
  async function turns(lastMs: number, everyMs = 5 * MINUTE): Promise<Visit[]> {
    const before = visits.length;
    const untilMs = time.nowMs() + lastMs;
    while (time.nowMs() < untilMs) {
      const turnOver = scheduler.startDue(new AbortController().signal);
      let isNext = false;
      time.setTimer(everyMs, () => (isNext = true));
      await turnOver;
      await time.run(() => isNext);
    }
    return visits.slice(before);
  }
  return { turns, visits, lines, time, database, machineBook, machines, blockAt, most: () => most, scheduler };
}

async function endAs(
  outcome: Exclude<Outcome, 'fault' | 'never'>,
  visit: Visit,
  nowMs: number,
  receiptId: string,
): Promise<MachineCheckReport> {
  if (outcome === 'busy') return { kind: 'busy', code: 'UNITS_BUSY', message: 'rented' };
  if (outcome === 'unreachable') return { kind: 'unreachable', code: 'AGENT_UNAVAILABLE', message: 'down' };
  const none = { verdict: 'not-tested' as const, code: 'NOT_DUE', message: '' };
  const ended = { verdict: outcome === 'pass' ? ('pass' as const) : ('fail' as const), code: 'OK', message: '' };
  const parts: MachineParts = {
    storage: { ...ended, bytesWritten: 1, bytesRead: 1, passes: 1, readP50Ms: 1, readP90Ms: 1, readP99Ms: 1 },
    image: { ...(visit.template === null ? none : ended), digest: '', imageBytes: 0, bytesRead: 0, deployMs: 0 },
    ports: { ...none, tried: 0, reached: 0, rangeReached: 0, rangePorts: 1 },
    network: { ...none, upBytesPerSecond: 0, downBytesPerSecond: 0, payloadBytes: 0, vantages: 0 },
    location: { ...none, rttMinMs: 0, distanceKmAtMost: 0, vantages: 0 },
  };
  const body = {
    receiptId,
    validator: SELF.ss58,
    hotkey: SELF.ss58,
    machineId: 'box',
    machineKey: visit.machineKey,
    grantHash: 'aa'.repeat(32),
    hostKeyHash: 'bb'.repeat(32),
    blockNumber: 1,
    blockHash: 'cc'.repeat(32),
    verdict: ended.verdict,
    parts,
    startedAtMs: nowMs - MINUTE,
    endedAtMs: nowMs,
  };
  return { kind: 'checked', receipt: await signDocument('machine-receipt', body, SELF), auditCpuSeconds: 0 };
}

test('a newcomer is left to be rented first, then looked at, and then only when its interval is over', async () => {
  const { turns, lines, time } = schedule();
  expect(await turns(10 * MINUTE)).toEqual([]);
  expect(await turns(5 * MINUTE)).toHaveLength(1);
  expect(lines[0]).toMatchObject({ event: 'machine-check', verdict: 'pass', checkMs: MINUTE });
  expect(await turns(10 * HOUR)).toEqual([]);
  expect(await turns(4 * HOUR)).toHaveLength(1);
  expect(time.nowMs()).toBeLessThan(DAY);
});

test('nothing is looked at around units that fail or were never checked, nor on machines that are not ours to check', async () => {
  for (const unitVerdict of ['fail', null] as const)
    expect(await schedule({ unitVerdict }).turns(DAY, HOUR)).toEqual([]);
  const elsewhere = { assignmentOf: () => ({ place: 3, sinceMs: 0 }) };
  expect(await schedule({ own: elsewhere }).turns(DAY, HOUR)).toEqual([]);
  expect(await schedule({ own: { ...elsewhere, checksAll: true } }).turns(DAY, HOUR)).not.toEqual([]);
});

test('a failure is looked at again within minutes, three times, and then in the usual interval', async () => {
  const { turns, visits } = schedule({ ends: () => 'fail' });
  await turns(2 * HOUR);
  expect(visits).toHaveLength(4);
  expect(await turns(8 * HOUR)).toEqual([]);
  expect((await turns(4 * HOUR)).length).toBeGreaterThan(0);
});

test('a machine that does not answer is visited at growing pauses; a fault of our own is said and ends nothing', async () => {
  const { turns, visits, lines } = schedule({ ends: ({ atMs }) => (atMs < HOUR ? 'fault' : 'unreachable') });
  await turns(DAY, MINUTE);
  const pauses = visits.slice(1).map(({ atMs }, index) => atMs - (visits[index]?.atMs ?? 0));
  expect(visits.length).toBeGreaterThan(6);
  expect(visits.length).toBeLessThan(14);
  expect(pauses.slice(0, 8)).toEqual(pauses.slice(0, 8).toSorted((a, b) => a - b));
  expect(Math.max(...pauses)).toBeLessThanOrEqual(INTERVALS.recheckMs + 2 * MINUTE);
  expect(lines[0]).toMatchObject({ verdict: 'void', reason: { code: 'INTERNAL', message: 'a fault of our own' } });
});

test('one free unit is enough, wherever it is; with none the machine is busy and asked no more than eight times', async () => {
  const units = Array.from({ length: 12 }, (_, n) => `GPU-0000000${n.toString(16)}-aaaa`);
  const free = schedule({ units: units.slice(0, 8), ends: ({ unit }) => (unit === units[3] ? 'pass' : 'busy') });
  await free.turns(15 * MINUTE);
  expect(free.lines).toMatchObject([{ verdict: 'pass', unit: units[3] }]);
  const full = schedule({ units, ends: () => 'busy' });
  await full.turns(19 * MINUTE);
  expect(full.lines).toMatchObject([{ verdict: 'busy', reason: { code: 'UNITS_BUSY' } }]);
  expect(new Set(full.visits.map(({ unit }) => unit)).size).toBe(8);
});

test('two machines at a time, and the longest overdue comes first: a crowd keeps nobody waiting for ever', async () => {
  // A minute each, two at a time: six would fit into an interval, and these do not.
  const { turns, visits, most, machines } = schedule({
    machines: 12,
    own: { machineIntervals: { recheckMs: 3 * MINUTE, retryMs: MINUTE } },
  });
  await turns(HOUR, MINUTE);
  expect(most()).toBe(2);
  const counts = machines.map(
    ({ machine }) => visits.filter(({ machineKey }) => machineKey === machine.machineKey).length,
  );
  expect(Math.min(...counts)).toBeGreaterThan(3);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
});

test('each week each machine gets one large deploy by one of its three validators, and routine checks besides', async () => {
  const permits = ['a', 'b', 'c', 'd', 'e'].map((name) => keyFromUri(`//validator-${name}`).ss58).toSorted();
  const deploys = new Map<string, string[]>();
  const templates = new Set<string>();
  for (const self of permits) {
    const { turns, visits, time, blockAt } = schedule({
      machines: 4,
      templates: TEMPLATES,
      self,
      permits,
      own: { machineIntervals: { recheckMs: 2 * DAY, retryMs: HOUR } },
      ends: (visit) => {
        if (visit.template === null) return 'pass';
        templates.add(visit.template);
        const key = `week ${weekOfBlock(blockAt())}, machine ${visit.machineKey.slice(-2)}`;
        deploys.set(key, [...(deploys.get(key) ?? []), self]);
        return 'pass';
      },
    });
    await turns(3 * 7 * DAY, 4 * HOUR);
    expect(visits.filter(({ template }) => template === null).length).toBeGreaterThan(25);
    expect(time.nowMs()).toBe(21 * DAY);
  }
  // Two whole weeks and the ends of two: in a whole one every machine has its deploy.
  for (const week of [4, 5])
    for (const machine of ['01', '02', '03', '04'])
      expect(deploys.get(`week ${week}, machine ${machine}`)).toHaveLength(1);
  for (const [, who] of deploys) expect(who).toHaveLength(1);
  expect(new Set([...deploys.values()].flat()).size).toBeGreaterThan(1);
  expect(templates).toEqual(new Set(['small', 'large']));
});

test('a deploy that fails is repeated a day later, and one that found the machine busy keeps its turn, with another template drawn', async () => {
  const failing = schedule({ templates: TEMPLATES, ends: ({ template }) => (template === null ? 'pass' : 'fail') });
  const failed = (await failing.turns(6 * DAY, 10 * MINUTE)).filter(({ template }) => template !== null);
  expect(failed.length).toBeGreaterThan(1);
  for (const [index, { atMs }] of failed.entries())
    if (index > 0) expect(atMs - (failed[index - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(DAY);
  let isBusy = true;
  const busy = schedule({
    templates: TEMPLATES,
    ends: ({ template }) => (isBusy && template !== null ? 'busy' : 'pass'),
  });
  const refused = new Set<string | null>();
  while (refused.size < 3 && busy.time.nowMs() < 14 * DAY)
    for (const { template } of await busy.turns(HOUR, 10 * MINUTE)) refused.add(template);
  expect(refused).toEqual(new Set([null, 'small', 'large']));
  isBusy = false;
  const made = (await busy.turns(13 * HOUR, 10 * MINUTE)).filter(({ template }) => template !== null);
  expect(made).toHaveLength(1);
});

test('a crash in the middle of a deploy brings no second one within a day', async () => {
  const time = new VirtualTime();
  const first = schedule({
    templates: TEMPLATES,
    time,
    ends: ({ template }) => (template === null ? 'pass' : 'never'),
  });
  while (!first.visits.some(({ template }) => template !== null)) await first.turns(MINUTE, 30_000);
  // What it noted before the deploy is all there is.
  const again = schedule({ templates: TEMPLATES, time, database: first.database });
  const visits = await again.turns(20 * HOUR, 10 * MINUTE);
  expect(visits.filter(({ template }) => template !== null)).toEqual([]);
  expect(visits.length).toBeGreaterThan(0);
});

test('records that cannot be written are said to be so, and end neither the validator nor the next turn', async () => {
  const { turns, lines, database, scheduler, time } = schedule({
    ends: () => {
      database.close();
      return 'pass';
    },
  });
  await turns(11 * MINUTE, MINUTE).catch(() => {});
  const settled = scheduler.settle();
  await time.run(() => lines.length > 0);
  await settled;
  expect(lines).toMatchObject([{ name: 'machine check', status: 'failed' }]);
});

test('thousands of machines with nothing due are not thought about in every turn', async () => {
  const { turns, machineBook, machines } = schedule({ machines: 2_000 });
  let reads = 0;
  const read = machineBook.verdicts.bind(machineBook);
  machineBook.verdicts = (...ask) => {
    reads += 1;
    return read(...ask);
  };
  expect(await turns(5 * MINUTE, 5_000)).toEqual([]);
  expect(reads).toBe(machines.length);
});
