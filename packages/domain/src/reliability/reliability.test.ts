/** Reliability: what no one can buy, what is inherited, what is excused, and what follows below each threshold. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  excusedHours,
  observeRental,
  observeStart,
  observeUptime,
  observeVerdict,
  uptimeWord,
  voidedVantages,
  type EndedRental,
  type UptimeHour,
} from './evidence.ts';
import { inheritRecord, returnRecord } from './inheritance.ts';
import { decayed } from './posterior.ts';
import {
  CURE_HOURS,
  establishedScorePpm,
  newRecord,
  payReliability,
  publicFigures,
  publicScorePpm,
  gradeOf,
  sumRecords,
  type ReliabilityRecord,
} from './reliability.ts';

const DAY = 24;
const rental = (changes: Partial<EndedRental> = {}): EndedRental => ({
  hour: 0,
  hours: 24,
  endedByProviderFault: false,
  ownCluster: false,
  paidMicroUsdPerHour: 2n,
  referenceMicroUsdPerHour: 2n,
  ...changes,
});
/** Days of perfect uptime, a check every two hours and a decoy every five days. */
function good(days: number, start: ReliabilityRecord = newRecord(0), from = 0): ReliabilityRecord {
  let record = start;
  for (let hour = from + 1; hour <= from + days * DAY; hour += 1) {
    record = observeUptime(record, hour, 'up', false);
    if (hour % 2 === 0) record = observeVerdict(record, hour, 'pass');
    if (hour % 120 === 0)
      record = observeStart(record, { hour, mystery: true, readyAfterPullMs: 60_000, ownCluster: false });
  }
  return record;
}
function bad(hours: number, start: ReliabilityRecord, from: number, rented = false): ReliabilityRecord {
  let record = start;
  for (let hour = from + 1; hour <= from + hours; hour += 1) record = observeUptime(record, hour, 'down', rented);
  return record;
}
const month = good(30);
const MONTH = 30 * DAY;
const pay = (record: ReliabilityRecord, hour = MONTH): bigint => payReliability(record, hour).reliabilityPpm;

describe('pay', () => {
  test('of a new machine is 0.717, of one with a perfect month 0.94', () => {
    expect(pay(newRecord(0), 0)).toBe(716_870n);
    expect(Number(pay(month)) / 1e6).toBeCloseTo(0.941, 3);
  });

  test('is never raised by rentals, whoever rents; bad ones lower it', () => {
    const ended = fc.record({
      hours: fc.double({ min: 0, max: 100, noNaN: true }),
      ownCluster: fc.boolean(),
      paidMicroUsdPerHour: fc.bigInt({ min: 0n, max: 4n }),
      endedByProviderFault: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(ended, { maxLength: 30 }), (rentals) => {
        const rented = rentals.reduce((record, own) => observeRental(record, rental({ ...own, hour: MONTH })), month);
        expect(pay(rented) <= pay(month)).toBe(true);
      }),
      { numRuns: 40 },
    );
    const blamed = observeRental(newRecord(0), rental({ endedByProviderFault: true }));
    expect(pay(blamed, 0) < pay(newRecord(0), 0)).toBe(true);
  });

  test('is not raised by starts of paid rentals, only by those of decoys', () => {
    const start = { hour: MONTH, readyAfterPullMs: 1_000, ownCluster: false };
    expect(pay(observeStart(month, { ...start, mystery: false }))).toBe(pay(month));
    expect(pay(observeStart(month, { ...start, mystery: true })) > pay(month)).toBe(true);
  });

  test('after a fraud is nothing, and so is the score', () => {
    const fraud = { ...month, fraud: true };
    expect([pay(fraud), publicScorePpm(fraud, MONTH), establishedScorePpm(fraud, MONTH)]).toEqual([0n, 0n, 0n]);
    expect(gradeOf(fraud, MONTH, null)).toMatchObject({ label: 'fraud', earnsBase: false });
    expect(sumRecords([month, fraud], MONTH).fraud).toBe(true);
  });
});

describe('a rental', () => {
  test('among friends or below the reference price is no praise, and blame in any case', () => {
    for (const changes of [{ ownCluster: true }, { paidMicroUsdPerHour: 1n }]) {
      expect(observeRental(newRecord(0), rental(changes))).toEqual(newRecord(0));
      const blamed = observeRental(newRecord(0), rental({ ...changes, endedByProviderFault: true }));
      expect(blamed.tracks.rental.failures).toBe(24_000_000n);
    }
  });

  test('weighs by its hours up to a day, and at least one where the provider ended it', () => {
    expect(observeRental(newRecord(0), rental({ hours: 1.5 })).tracks.rental.successes).toBe(1_500_000n);
    expect(observeRental(newRecord(0), rental({ hours: 900 })).tracks.rental.successes).toBe(24_000_000n);
    const short = rental({ hours: 0.01, endedByProviderFault: true });
    expect(observeRental(newRecord(0), short).tracks.rental.failures).toBe(1_000_000n);
  });

  test('makes a failed hour weigh three', () => {
    expect(bad(1, newRecord(0), 0, true).tracks.uptime.failures).toBe(3_000_000n);
    expect(bad(1, newRecord(0), 0, false).tracks.uptime.failures).toBe(1_000_000n);
  });
});

test('up when probed and down when rented is said to be selective', () => {
  let record = good(30);
  for (let i = 0; i < 10; i += 1)
    record = observeRental(record, rental({ hour: MONTH, hours: 6, endedByProviderFault: i % 5 === 0 }));
  expect(gradeOf(record, MONTH, null).selective).toBe(true);
  expect(gradeOf(month, MONTH, null).selective).toBe(false);
  const honest = Array.from({ length: 5 }).reduce<ReliabilityRecord>(
    (own) => observeRental(own, rental({ hour: MONTH })),
    month,
  );
  expect(gradeOf(honest, MONTH, null).selective).toBe(false);
});

describe('thresholds', () => {
  test('leave a machine alone that nobody has rented yet, however old', () => {
    expect(gradeOf(month, MONTH, null)).toMatchObject({ label: 'reliable', earnsBase: true, belowSinceHour: null });
    expect(publicScorePpm(month, MONTH) < 900_000n).toBe(true);
    expect(gradeOf(newRecord(0), 0, null)).toMatchObject({ label: 'new', earnsBase: true });
  });

  test('take the base below 0.90 after fourteen days', () => {
    const failing = bad(120, month, MONTH);
    const hour = MONTH + 120;
    const established = establishedScorePpm(failing, hour)!;
    expect(established > 800_000n && established < 900_000n).toBe(true);
    expect(gradeOf(failing, hour, null)).toMatchObject({ label: 'below search floor', earnsBase: false });
    const young = { ...failing, firstSeenHour: hour - 13 * DAY };
    expect(gradeOf(young, hour, null).earnsBase).toBe(true);
  });

  test('delist below 0.80, after seven days to mend it', () => {
    const failing = bad(400, month, MONTH);
    const hour = MONTH + 400;
    const first = gradeOf(failing, hour, null);
    expect(first).toMatchObject({ label: 'to be mended', belowSinceHour: hour });
    expect(gradeOf(failing, hour + CURE_HOURS - 1, hour).label).toBe('to be mended');
    expect(gradeOf(failing, hour + CURE_HOURS, hour)).toMatchObject({ label: 'delisted', earnsBase: false });
    const mended = good(60, failing, hour);
    expect(gradeOf(mended, hour + 60 * DAY, hour)).toMatchObject({ belowSinceHour: null });
  });
});

describe('vantage points that probe', () => {
  const machine = (i: number, vantages: Record<string, boolean>, changes: Partial<UptimeHour> = {}): UptimeHour => ({
    machine: `m${i}`,
    cluster: `c${i}`,
    hour: 1,
    vantages: new Map(Object.entries(vantages)),
    agentHeard: true,
    rented: false,
    ...changes,
  });
  const none = new Set<string>();

  test('two of them and the agent say up; less says down; one vantage point alone says nothing', () => {
    expect(uptimeWord(machine(1, { a: true, b: true, c: false }), none, false)).toBe('up');
    expect(uptimeWord(machine(1, { a: true, b: false, c: false }), none, false)).toBe('down');
    expect(uptimeWord(machine(1, { a: true, b: true }, { agentHeard: false }), none, false)).toBe('down');
    expect(uptimeWord(machine(1, { a: false }), none, false)).toBeNull();
  });

  test('are void for the hour when more than a fifth of all clusters is down for them at once', () => {
    const hour = [1, 2, 3, 4, 5].map((i) => machine(i, { a: true, b: true, c: i > 2 }));
    expect(voidedVantages(hour)).toEqual(new Set(['c']));
    expect(voidedVantages(hour.map((own) => ({ ...own, vantages: new Map([['a', own.machine !== 'm1']]) })))).toEqual(
      none,
    );
    expect(uptimeWord(machine(1, { a: false, b: true }), new Set(['a']), false)).toBeNull();
  });

  test('are not voided by one owner who takes many machines down', () => {
    const many = Array.from({ length: 50 }, (_, i) => machine(100 + i, { a: false }, { cluster: 'one owner' }));
    const hour = [...[1, 2, 3, 4, 5].map((i) => machine(i, { a: true })), ...many];
    expect(voidedVantages(hour)).toEqual(none);
  });

  test('prove nothing in announced maintenance of an idle unit', () => {
    const down = machine(1, { a: false, b: false });
    expect(uptimeWord(down, none, true)).toBeNull();
    expect(uptimeWord({ ...down, rented: true }, none, true)).toBe('down');
    expect(observeUptime(month, MONTH + 1, null, false)).toBe(month);
  });
});

test('maintenance is excused when announced a day before, for four hours in thirty days', () => {
  const announce = (fromHour: number, hours: number, announcedHour = fromHour - 24) => ({
    announcedHour,
    fromHour,
    hours,
  });
  expect([...excusedHours([announce(100, 2)])]).toEqual([100, 101]);
  expect([...excusedHours([announce(100, 2, 77)])]).toEqual([]);
  expect([...excusedHours([announce(100, 1_000_000)])]).toEqual([100, 101, 102, 103]);
  expect([...excusedHours([announce(300, 3), announce(100, 3)])]).toEqual([100, 101, 102, 300]);
  expect([...excusedHours([announce(100, 4), announce(820, 4)])]).toEqual([100, 101, 102, 103, 820, 821, 822, 823]);
});

describe('a history follows its GPU', () => {
  const failed = bad(200, month, MONTH);
  const now = MONTH + 200;

  test('a new coldkey with the old card has the worse of both on each track', () => {
    expect(inheritRecord(failed, null, now)).toBe(failed);
    expect(pay(inheritRecord(failed, good(40), 40 * DAY), 40 * DAY) <= pay(failed, 40 * DAY)).toBe(true);
    const taken = inheritRecord(newRecord(now), failed, now);
    expect(taken.tracks.uptime).toEqual(decayed(failed.tracks.uptime, now));
    // The old key's good checks are no merit of the new card.
    expect(taken.tracks.verification.successes).toBe(0n);
    expect(taken.firstSeenHour).toBe(0);
  });

  test('who leaves below 0.90 and comes back within 90 days is where they left', () => {
    const back = returnRecord(failed, now, now + 60 * DAY);
    expect(pay(back, now + 60 * DAY)).toBe(pay(failed, now));
    expect(returnRecord(failed, now, now + 91 * DAY)).toBe(failed);
  });

  test('splitting a coldkey in 200 changes no unit of it', () => {
    const units = Array.from({ length: 200 }, () => failed);
    const whole = sumRecords(units, now);
    expect(whole.tracks.uptime.failures).toBe(200n * decayed(failed.tracks.uptime, now).failures);
    for (const own of units) expect(pay(inheritRecord(own, null, now), now)).toBe(pay(failed, now));
  });
});

test('figures are published with sample sizes, uptime with a wider interval, small samples as new', () => {
  const figures = publicFigures(month, MONTH);
  expect(figures.map(({ track, isNew, observations }) => [track, isNew, observations])).toEqual([
    ['uptime', false, 720_000_000n],
    ['rental', true, 0n],
    ['start', true, 6_000_000n],
    ['verification', false, 360_000_000n],
  ]);
  const uptime = figures[0]!;
  expect(uptime.lowerPpm < payReliability(month, MONTH).uptimePpm).toBe(true);
  expect(uptime.lowerPpm < uptime.meanPpm && uptime.meanPpm < uptime.upperPpm).toBe(true);
});
