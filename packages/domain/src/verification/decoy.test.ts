/** Decoys: nobody is safe, nothing follows from the last one, and no decoy is ever demand. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  chooseDecoyTarget,
  COMMITMENT_PERIOD_MS,
  commitmentPeriodOf,
  demandOf,
  disclosureAtMs,
  expectedDaysToDetect,
  fitsDecoyBudget,
  isDecoyDue,
  judgeDemand,
  judgeTries,
  MIN_DISCLOSURE_DELAY_MS,
  type DecoyCandidate,
} from './decoy.ts';

const NOW = 1_000 * MIN_DISCLOSURE_DELAY_MS;
const DAY = MIN_DISCLOSURE_DELAY_MS;

const candidate: fc.Arbitrary<DecoyCandidate> = fc.record({
  machineKey: fc.uuid(),
  lastDecoyAtMs: fc.option(fc.integer({ min: NOW - 30 * DAY, max: NOW })),
  earnedMicroUsd: fc.bigInt({ min: 0n, max: 10n ** 12n }),
});

/** Evenly spread draws: what a fair generator would give, without its luck. */
const grid = (count: number): number[] => Array.from({ length: count }, (_, index) => (index + 0.5) / count);

function sharesOf(candidates: readonly DecoyCandidate[], count = 10_000): Map<string, number> {
  const shares = new Map<string, number>();
  for (const draw of grid(count)) {
    const key = chooseDecoyTarget(candidates, NOW, draw)?.machineKey ?? '';
    shares.set(key, (shares.get(key) ?? 0) + 1 / count);
  }
  return shares;
}

test('decoys come at the rate asked for, whatever the turns of the loop', () => {
  for (const turnMs of [1_000, 30_000, 600_000]) {
    const perTurn = grid(1_000_000).filter((draw) => isDecoyDue(50, 0.2, turnMs, draw)).length / 1_000_000;
    // At most one a turn: of long turns a few coincide.
    expect((perTurn * DAY) / turnMs / 50).toBeGreaterThan(0.18);
    expect((perTurn * DAY) / turnMs / 50).toBeLessThan(0.21);
  }
  expect(isDecoyDue(0, 0.2, DAY, 0)).toBe(false);
  expect(isDecoyDue(50, 0, DAY, 0)).toBe(false);
});

test('every machine that can be rented may be the next one, whatever it earned and whenever it was visited', () => {
  fc.assert(
    fc.property(fc.array(candidate, { minLength: 1, maxLength: 5 }), (candidates) => {
      const shares = candidates.map((one) => {
        const others = candidates.filter((other) => other !== one);
        return [one, ...others].indexOf(chooseDecoyTarget([one, ...others], NOW, 0) as DecoyCandidate);
      });
      expect(shares).toEqual(candidates.map(() => 0));
      expect(candidates).toContain(chooseDecoyTarget(candidates, NOW, 1 - 2 ** -40));
    }),
  );
  expect(chooseDecoyTarget([], NOW, 0.5)).toBeNull();
});

test('a machine that was visited long ago, or that earned more since, is chosen more often', () => {
  const one = (machineKey: string, daysAgo: number | null, earned: bigint): DecoyCandidate => ({
    machineKey,
    lastDecoyAtMs: daysAgo === null ? null : NOW - daysAgo * DAY,
    earnedMicroUsd: earned,
  });
  const byTime = sharesOf([one('week', 7, 0n), one('day', 1, 0n)]);
  expect(byTime.get('week')).toBeCloseTo(7 / 8, 3);
  const byMoney = sharesOf([one('rich', 5, 1_000_000n), one('poor', 5, 0n)]);
  expect(byMoney.get('rich')).toBeCloseTo(4 / 5, 3);
  const never = sharesOf([one('never', null, 0n), one('old', 100, 0n)]);
  expect(never.get('never')).toBeCloseTo(1 / 2, 3);
});

test('who cheats one renter in two is caught after ten days at the default rate, and who cheats nobody never', () => {
  expect(expectedDaysToDetect(0.2, 0.5)).toBeCloseTo(10);
  expect(expectedDaysToDetect(0.6, 1)).toBeCloseTo(5 / 3);
  expect(expectedDaysToDetect(0.2, 0)).toBe(Number.POSITIVE_INFINITY);
});

test('a wrong answer decides at once; of late ones it takes two in three', () => {
  expect(judgeTries([])).toBe('again');
  expect(judgeTries(['right'])).toBe('pass');
  expect(judgeTries(['wrong'])).toBe('fail');
  expect(judgeTries(['late'])).toBe('again');
  expect(judgeTries(['late', 'right'])).toBe('again');
  expect(judgeTries(['late', 'right', 'right'])).toBe('pass');
  expect(judgeTries(['late', 'right', 'late'])).toBe('fail');
  expect(judgeTries(['late', 'late'])).toBe('fail');
  expect(judgeTries(['late', 'wrong'])).toBe('fail');
});

test('no decoy begins that the day’s budget could not pay for', () => {
  expect(fitsDecoyBudget(4_000_000n, 1_000_000n, 5_000_000n)).toBe(true);
  expect(fitsDecoyBudget(4_000_001n, 1_000_000n, 5_000_000n)).toBe(false);
});

test('a period is disclosed a day or an epoch after its last decoy ended, and never while one goes on', () => {
  const period = commitmentPeriodOf(NOW);
  const end = (period + 1) * COMMITMENT_PERIOD_MS;
  expect(disclosureAtMs(period, [], 0)).toBe(end + DAY);
  expect(disclosureAtMs(period, [NOW, end + 5_000], 0)).toBe(end + 5_000 + DAY);
  expect(disclosureAtMs(period, [NOW], 3 * DAY)).toBe(end + 3 * DAY);
  expect(disclosureAtMs(period, [NOW, null], 0)).toBeNull();
});

test('no disclosed decoy is ever demand, and nothing counts before it could have been disclosed', () => {
  const revenue = fc.record({
    rentalId: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    endedAtMs: fc.option(fc.integer({ min: NOW - 5 * DAY, max: NOW })),
    chargedMicroUsd: fc.bigInt({ min: 0n, max: 1_000n }),
  });
  fc.assert(
    fc.property(fc.array(revenue), fc.uniqueArray(fc.constantFrom('a', 'b', 'c')), (rentals, ids) => {
      const disclosed = new Set<string>(ids);
      const counted = rentals.filter((one) => judgeDemand(one, disclosed, NOW, 0) === 'counts');
      for (const one of counted) {
        expect(disclosed.has(one.rentalId)).toBe(false);
        const latest = disclosureAtMs(commitmentPeriodOf(one.endedAtMs ?? NOW), [one.endedAtMs], 0);
        expect(latest).toBeLessThan(NOW);
      }
      const sum = counted.reduce((total, one) => total + one.chargedMicroUsd, 0n);
      expect(demandOf(rentals, disclosed, NOW, 0)).toBe(sum);
      expect(demandOf(rentals, disclosed, NOW, 100 * DAY)).toBe(0n);
    }),
  );
});
