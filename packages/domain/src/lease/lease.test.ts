/** What the agent decides about leases, walked through as a whole machine that grants, stops and forgets. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decideCommand,
  decideLease,
  MAX_CHECK_TERM_MS,
  MAX_TERM_MS,
  nextFence,
  type HeldLease,
  type LeaseAnswer,
  type LeaseAsk,
} from './lease.ts';

fc.configureGlobal({ numRuns: 1_000 });

const UNITS = ['GPU-1', 'GPU-2', 'GPU-3'];

/** A machine as an agent keeps it: what is stored is what `decideLease` returned. */
class Machine {
  readonly fences = new Map<string, number>();
  readonly tombstones = new Set<string>();
  readonly granted: HeldLease[] = [];
  open: HeldLease[] = [];

  ask(ask: LeaseAsk, nowMs: number): LeaseAnswer {
    const answer = decideLease(
      ask,
      { units: UNITS, fences: this.fences, open: this.open, tombstones: this.tombstones },
      nowMs,
    );
    if (answer.ok && 'fence' in answer) {
      const lease = { ...ask, leaseId: `lease-${this.granted.length}`, fence: answer.fence, sequence: 1 };
      for (const unit of ask.units) this.fences.set(unit, answer.fence);
      this.open.push(lease);
      this.granted.push(lease);
    }
    return answer;
  }

  stop(requestId: string): void {
    this.tombstones.add(requestId);
    this.open = this.open.filter((lease) => lease.requestId !== requestId);
  }
}

const ask = (given: Partial<LeaseAsk> = {}): LeaseAsk => ({
  requestId: 'request-1',
  authority: 'market-1',
  units: ['GPU-1'],
  kind: 'paid',
  termMs: 24 * 3_600_000,
  ...given,
});

const anyRequestId = fc.integer({ min: 1, max: 24 }).map((n) => `request-${n}`);
const anyAsk: fc.Arbitrary<LeaseAsk> = fc.record({
  requestId: anyRequestId,
  authority: fc.constantFrom('market-1', 'market-2', 'validator-1'),
  units: fc.oneof(
    { weight: 3, arbitrary: fc.subarray(UNITS, { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom(...UNITS, 'GPU-unknown'), { maxLength: 3 }) },
  ),
  kind: fc.constantFrom('paid' as const, 'verification' as const, 'guaranteed' as const, 'opportunistic' as const),
  termMs: fc.constantFrom(60_000, MAX_CHECK_TERM_MS, MAX_TERM_MS, MAX_TERM_MS + 1),
});
/** Requests and stops, with a wall clock that may also jump backwards. */
const anyLife = fc.array(
  fc.tuple(
    fc.oneof({ weight: 2, arbitrary: anyAsk }, { weight: 1, arbitrary: anyRequestId }),
    fc.integer({ min: -300_000, max: 300_000 }),
  ),
  { minLength: 10, maxLength: 60, size: 'max' },
);

function live(
  life: ReadonlyArray<readonly [LeaseAsk | string, number]>,
  check: (machine: Machine, answer: LeaseAnswer | null) => void,
): void {
  const machine = new Machine();
  let nowMs = 1_764_000_000_000;
  for (const [step, waitMs] of life) {
    nowMs += waitMs;
    if (typeof step === 'string') machine.stop(step);
    check(machine, typeof step === 'string' ? null : machine.ask(step, nowMs));
  }
}

describe('whatever is asked, in whatever order', () => {
  test('a unit has one lease at a time', () => {
    fc.assert(
      fc.property(anyLife, (life) => {
        live(life, (machine) => {
          const leased = machine.open.flatMap((lease) => lease.units);
          expect(new Set(leased).size).toBe(leased.length);
          expect(leased.every((unit) => UNITS.includes(unit))).toBe(true);
        });
      }),
    );
  });

  test('fences strictly grow for every unit, though the wall clock jumps backwards', () => {
    fc.assert(
      fc.property(anyLife, (life) => {
        live(life, ({ granted }) => {
          for (const unit of UNITS) {
            const fences = granted.filter((lease) => lease.units.includes(unit)).map((lease) => lease.fence);
            expect(fences.every((fence, index) => index === 0 || fence > (fences[index - 1] as number))).toBe(true);
          }
        });
      }),
    );
  });

  test('a stopped request never comes back to life', () => {
    fc.assert(
      fc.property(anyLife, (life) => {
        live(life, ({ open, tombstones }) => {
          expect(open.filter((lease) => tombstones.has(lease.requestId))).toEqual([]);
        });
      }),
    );
  });

  test('a repeated request gets the lease that it has, not a second one', () => {
    fc.assert(
      fc.property(anyLife, anyAsk, (life, again) => {
        const machine = new Machine();
        for (const [step] of life) if (typeof step !== 'string') machine.ask(step, 1);
        const first = machine.ask(again, 1);
        const held = machine.granted.length;
        const second = machine.ask(again, 2);
        expect(machine.granted).toHaveLength(held);
        if (first.ok)
          expect(second).toMatchObject({
            ok: true,
            repeated: { requestId: again.requestId, authority: again.authority },
          });
        else expect(second).toEqual(first);
      }),
    );
  });
});

describe('a request is refused', () => {
  test('when another lease holds one of its units, and the refusal shows which', () => {
    const machine = new Machine();
    machine.ask(ask({ units: ['GPU-1', 'GPU-2'] }), 1);
    const answer = machine.ask(ask({ requestId: 'request-2', authority: 'market-2', units: ['GPU-2', 'GPU-3'] }), 2);
    expect(answer).toMatchObject({ ok: false, refusal: 'UNITS_BUSY', busyWith: { requestId: 'request-1' } });
  });

  test.each([
    ['for no unit', { units: [] }, 'UNITS_UNKNOWN'],
    ['for a unit of another machine', { units: ['GPU-1', 'GPU-9'] }, 'UNITS_UNKNOWN'],
    ['for one unit named twice', { units: ['GPU-1', 'GPU-1'] }, 'UNITS_UNKNOWN'],
    ['for longer than a month', { termMs: MAX_TERM_MS + 1 }, 'TERM_TOO_LONG'],
    [
      'for a check of more than a quarter of an hour',
      { kind: 'verification' as const, termMs: MAX_CHECK_TERM_MS + 1 },
      'TERM_TOO_LONG',
    ],
  ])('%s', (_what, given, refusal) => {
    expect(new Machine().ask(ask(given), 1)).toEqual({ ok: false, refusal });
  });

  test('after its lease was stopped', () => {
    const machine = new Machine();
    machine.ask(ask(), 1);
    machine.stop('request-1');
    expect(machine.ask(ask(), 2)).toEqual({ ok: false, refusal: 'REQUEST_STOPPED' });
  });
});

test('another authority that repeats someone’s request id gets no share in that lease', () => {
  const machine = new Machine();
  machine.ask(ask(), 1);
  expect(machine.ask(ask({ authority: 'market-2' }), 2)).toMatchObject({ ok: false, refusal: 'UNITS_BUSY' });
});

test('a fence survives a lost disk, because its floor is the wall clock', () => {
  expect(nextFence(0, 1_764_000_000_000)).toBe(1_764_000_000_000);
  expect(nextFence(1_764_000_000_005, 1_764_000_000_000)).toBe(1_764_000_000_006);
});

describe('a command on a lease acts', () => {
  const lease: HeldLease = { ...ask(), leaseId: 'lease-1', fence: 500, sequence: 3 };
  const command = { leaseId: 'lease-1', authority: 'market-1', fence: 500, sequence: 4 };

  test('with the right authority, the very fence and a new sequence number', () => {
    expect(decideCommand(command, lease)).toEqual({ ok: true });
  });

  test.each([
    ['LEASE_UNKNOWN', { leaseId: 'lease-2' }],
    ['NOT_YOUR_LEASE', { authority: 'market-2' }],
    ['FENCE_OLD', { fence: 499 }],
    ['FENCE_OLD', { fence: 501 }],
    ['SEQUENCE_OLD', { sequence: 3 }],
    ['SEQUENCE_OLD', { sequence: 1 }],
  ] as const)('and else is refused: %s', (refusal, given) => {
    expect(decideCommand({ ...command, ...given }, lease)).toEqual({ ok: false, refusal });
  });

  test('on no lease that has ended', () => {
    expect(decideCommand(command, undefined)).toEqual({ ok: false, refusal: 'LEASE_UNKNOWN' });
  });

  test('once: its sequence number taken, the same command is old', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 })), (sequences) => {
        let held = { ...lease, sequence: 0 };
        const acted: number[] = [];
        for (const sequence of sequences) {
          if (!decideCommand({ ...command, sequence }, held).ok) continue;
          acted.push(sequence);
          held = { ...held, sequence };
        }
        expect(acted).toEqual([...new Set(acted)].toSorted((a, b) => a - b));
      }),
    );
  });
});
