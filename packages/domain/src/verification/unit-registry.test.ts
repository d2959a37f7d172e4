/** Who holds a GPU: a UUID counts once or not at all, a listing takes nothing away, and a barrier tells one device from two. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scoreHotkeys } from '../scoring/score.ts';
import {
  followedMachines,
  HOLD_LEAD_MS,
  holdsUnit,
  SERIES_GAP_MS,
  standingOfUnit,
  standingsOfUnits,
  UNIT_HISTORY_MS,
  type ListedUnit,
  type Registration,
  type UnitCheck,
  type UnitStanding,
} from './unit-registry.ts';
import { RECEIPT_VALID_MS } from './validity.ts';

const HOUR_MS = 3_600_000;
const NOW = 100 * RECEIPT_VALID_MS;
const GPU = 'GPU-00000001';
const alice: Registration = { hotkey: 'alice', machineKey: 'a1' };
const bob: Registration = { hotkey: 'bob', machineKey: 'b1' };
const carol: Registration = { hotkey: 'carol', machineKey: 'c1' };

let count = 0;
const check = (who: Registration, ageMs: number, given: Partial<UnitCheck> = {}): UnitCheck => ({
  ...who,
  receiptId: `receipt-${(count += 1)}`,
  unit: GPU,
  validator: 'v',
  barrierId: `alone-${count}`,
  verdict: 'pass',
  endedAtMs: NOW - ageMs,
  ...given,
});
const standing = (listed: Registration[], ...checks: UnitCheck[]): UnitStanding => standingOfUnit(listed, checks, NOW);

describe('a GPU that one registration lists', () => {
  test('is held by it while it has a fresh pass', () => {
    expect(standing([alice])).toEqual({ state: 'unproven', rivals: [alice] });
    expect(standing([alice], check(alice, 1))).toEqual({ state: 'held', holder: alice, rivals: [] });
    expect(standing([alice], check(alice, RECEIPT_VALID_MS + 1)).state).toBe('unproven');
    expect(standing([alice], check(alice, 2), check(alice, 1, { verdict: 'fail' })).state).toBe('unproven');
  });

  test('is not held by a registration that the newest manifest left out, whatever it passed before', () => {
    expect(standing([], check(alice, 1))).toEqual({ state: 'unproven', rivals: [] });
    const moved = { hotkey: 'alice', machineKey: 'a2' };
    expect(standing([moved], check(alice, 1)).state).toBe('unproven');
    expect(standing([moved], check(alice, 2), check(moved, 1))).toMatchObject({ state: 'held', holder: moved });
  });
});

describe('a GPU that two registrations list', () => {
  test('stays with the one that passes: a listing is worth nothing and takes nothing', () => {
    expect(standing([bob, alice], check(alice, 1))).toEqual({ state: 'held', holder: alice, rivals: [bob] });
    expect(standing([bob, alice], check(alice, 1), check(bob, 2, { verdict: 'fail' }))).toMatchObject({
      holder: alice,
    });
  });

  test('counts for neither once both have passed, until one barrier has challenged both', () => {
    const both = [check(alice, 30 * HOUR_MS), check(alice, 2), check(bob, 1)];
    expect(standing([alice, bob], ...both)).toEqual({ state: 'contested', rivals: [alice, bob] });
    const barrierId = 'together';
    const onlyBob = [check(alice, 0, { barrierId, verdict: 'fail' }), check(bob, 0, { barrierId })];
    expect(standing([alice, bob], ...both, ...onlyBob)).toEqual({ state: 'held', holder: bob, rivals: [alice] });
  });

  test('goes to the newcomer a day after the old machine was last seen, though its old listing stands', () => {
    const stale = check(alice, RECEIPT_VALID_MS + 1);
    expect(standing([alice, bob], stale, check(bob, 1))).toMatchObject({ state: 'held', holder: bob });
  });

  test('is two devices when both pass in one barrier: it stays with the one that has passed a day longer', () => {
    const barrierId = 'together';
    const joint = [check(alice, 1, { barrierId }), check(bob, 1, { barrierId })];
    const early = (leadMs: number): UnitCheck => check(alice, 1 + leadMs);
    expect(standing([alice, bob], early(HOLD_LEAD_MS), ...joint)).toMatchObject({ state: 'held', holder: alice });
    expect(standing([alice, bob], early(HOLD_LEAD_MS - 1), ...joint).state).toBe('spoofed');
    expect(standing([alice, bob], ...joint)).toEqual({ state: 'spoofed', rivals: [alice, bob] });
  });

  test('is two devices also when two validators challenged one each in a barrier of the network', () => {
    const barrierId = 'together';
    const joint = [check(alice, 1, { barrierId }), check(bob, 1, { barrierId, validator: 'w' })];
    expect(standing([alice, bob], check(alice, 2 * HOLD_LEAD_MS), ...joint)).toMatchObject({ holder: alice });
    const none = [check(alice, 1, { barrierId: '' }), check(bob, 1, { barrierId: '' })];
    expect(standing([alice, bob], ...none).state).toBe('contested');
  });

  test('has no lead from a series that was broken for a week, nor from one validator among three', () => {
    const barrierId = 'together';
    const joint = [check(alice, 1, { barrierId }), check(bob, 1, { barrierId })];
    const old = check(alice, SERIES_GAP_MS + 2);
    expect(standing([alice, bob], old, ...joint).state).toBe('spoofed');
    const between = check(alice, SERIES_GAP_MS / 2);
    expect(standing([alice, bob], old, between, ...joint)).toMatchObject({ holder: alice });
    const others = ['w', 'x'].flatMap((validator) => [check(alice, 1, { validator }), check(bob, 1, { validator })]);
    expect(standing([alice, bob], old, between, ...joint, ...others).state).toBe('spoofed');
  });

  test('goes to the one whose device shows its maker’s certificate', () => {
    const attested = check(bob, 1, { attested: true });
    expect(standing([alice, bob], check(alice, 2 * HOLD_LEAD_MS), check(alice, 2), attested)).toMatchObject({
      state: 'held',
      holder: bob,
    });
    expect(standing([alice, bob], check(alice, 1, { attested: true }), attested).state).toBe('contested');
  });
});

test('with three claims the holder has to have met each rival', () => {
  const lead = check(alice, 2 * HOLD_LEAD_MS);
  const withBob = [check(alice, 3, { barrierId: 'x' }), check(bob, 3, { barrierId: 'x' })];
  const withCarol = [check(alice, 2, { barrierId: 'y' }), check(carol, 2, { barrierId: 'y' })];
  const listed = [alice, bob, carol];
  expect(standing(listed, lead, ...withBob, check(carol, 2)).state).toBe('contested');
  expect(standing(listed, lead, ...withBob, ...withCarol)).toMatchObject({ holder: alice, rivals: [bob, carol] });
});

const registrations = [alice, bob, carol, { hotkey: 'alice', machineKey: 'a2' }] as const;
const units = [GPU, 'GPU-00000002', 'cpu:box'] as const;
const anyListing: fc.Arbitrary<ListedUnit[]> = fc.array(
  fc.tuple(fc.constantFrom(...registrations), fc.constantFrom(...units)).map(([who, unit]) => ({ ...who, unit })),
  { maxLength: 8 },
);
const anyChecks: fc.Arbitrary<UnitCheck[]> = fc
  .uniqueArray(
    fc.record({
      who: fc.constantFrom(...registrations),
      unit: fc.constantFrom(...units),
      ageMs: fc.oneof(fc.nat(2 * RECEIPT_VALID_MS), fc.nat(UNIT_HISTORY_MS + RECEIPT_VALID_MS)),
      verdict: fc.constantFrom('pass' as const, 'fail' as const),
      barrierId: fc.constantFrom('', 'x', 'y'),
      validator: fc.constantFrom('v', 'w'),
      attested: fc.boolean(),
    }),
    // Receipts of one moment are told apart by nothing, so each has its own.
    { maxLength: 24, selector: ({ ageMs }) => ageMs },
  )
  .map((drawn) => drawn.map(({ who, ageMs, ...given }) => check(who, ageMs, given)));

describe('whatever manifests and receipts say', () => {
  test('no GPU counts twice, and only for who lists it and has a fresh pass', () => {
    fc.assert(
      fc.property(anyListing, anyChecks, (listed, checks) => {
        const standings = standingsOfUnits(listed, checks, NOW);
        const gpus = new Set(listed.map(({ unit }) => unit).filter((unit) => unit.startsWith('GPU-')));
        expect(new Set(standings.keys())).toEqual(gpus);
        const scores = scoreHotkeys(
          checks.filter(({ unit }) => unit.startsWith('GPU-')),
          standings,
          NOW,
        );
        expect([...scores.values()].reduce((sum, score) => sum + score, 0)).toBeLessThanOrEqual(gpus.size);
        for (const [unit, one] of standings) {
          const holders = registrations.filter((who) => holdsUnit(one, who));
          expect(holders.length).toBe(one.state === 'held' ? 1 : 0);
          for (const { hotkey, machineKey } of holders) {
            const isTheirs = (given: ListedUnit): boolean =>
              given.unit === unit && given.hotkey === hotkey && given.machineKey === machineKey;
            expect(listed.some(isTheirs)).toBe(true);
            const fresh = checks.filter((given) => isTheirs(given) && given.endedAtMs >= NOW - RECEIPT_VALID_MS);
            expect(fresh.some(({ verdict }) => verdict === 'pass')).toBe(true);
          }
        }
      }),
    );
  });

  test('a listing without a pass changes nobody’s standing', () => {
    fc.assert(
      fc.property(anyListing, anyChecks, fc.constantFrom(...units), (listed, checks, unit) => {
        const before = standingsOfUnits(listed, checks, NOW);
        const after = standingsOfUnits([...listed, { hotkey: 'thief', machineKey: 't', unit }], checks, NOW);
        for (const [known, one] of before) expect(after.get(known)?.state).toBe(one.state);
        for (const who of registrations) expect(holdsUnit(after.get(unit), who)).toBe(holdsUnit(before.get(unit), who));
      }),
    );
  });

  test('a thief with a card of his own takes no GPU from one who has passed a day longer and meets him in a barrier', () => {
    fc.assert(
      fc.property(anyChecks, fc.integer({ min: 2, max: 20 }), (drawn, days) => {
        const thiefs = drawn
          .filter(({ endedAtMs }) => endedAtMs >= NOW - HOLD_LEAD_MS / 2)
          .map((one) => ({ ...one, ...bob, unit: GPU, attested: false }));
        const series = Array.from({ length: 4 * days }, (_, at) =>
          check(alice, (at * RECEIPT_VALID_MS) / 4 + HOUR_MS / 2, { validator: 'v' }),
        );
        const barrier = { barrierId: 'joint', validator: 'v' };
        const joint = [check(alice, 0, barrier), check(bob, 0, barrier)];
        const one = standingOfUnit([alice, bob], [...thiefs, ...series, ...joint], NOW);
        expect(holdsUnit(one, alice)).toBe(true);
        expect(holdsUnit(one, bob)).toBe(false);
      }),
    );
  });

  test('the order of listings and receipts decides nothing', () => {
    fc.assert(
      fc.property(anyListing, anyChecks, (listed, checks) => {
        const forwards = standingsOfUnits(listed, checks, NOW);
        const backwards = standingsOfUnits(listed.toReversed(), checks.toReversed(), NOW);
        for (const [unit, one] of forwards)
          for (const who of registrations) expect(holdsUnit(backwards.get(unit), who)).toBe(holdsUnit(one, who));
      }),
    );
  });
});

test('rivals are assigned like the holder, or like the first of them where nobody holds the GPU; a holder follows nobody', () => {
  const followed = (...standings: UnitStanding[]): Map<string, string> =>
    followedMachines(new Map(standings.map((one, index) => [`GPU-${index}`, one])));
  expect(followed({ state: 'held', holder: bob, rivals: [carol, alice] })).toEqual(
    new Map([
      ['a1', 'b1'],
      ['c1', 'b1'],
    ]),
  );
  expect(followed({ state: 'contested', rivals: [carol, bob] })).toEqual(new Map([['c1', 'b1']]));
  expect(followed({ state: 'held', holder: alice, rivals: [] }, { state: 'unproven', rivals: [bob] })).toEqual(
    new Map(),
  );
});
