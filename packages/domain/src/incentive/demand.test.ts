/** What counts as demand: paid, kept, burned for, and never above the reference price. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  countDemand,
  owedRentalShares,
  type CountedDemand,
  type DemandInput,
  type FeeBurn,
  type HoursKind,
  type MarketStatement,
  type StatementLine,
} from './demand.ts';

const USD = 1_000_000n;
const CASH = { feePpm: 100_000n, rentalShare: 'cash' } as const;
const EMISSION = { feePpm: 100_000n, rentalShare: 'emission' } as const;
const references = new Map([['H200', 2n * USD]]);

const line = (changes: Partial<StatementLine> = {}): StatementLine => ({
  rentalId: 'r1',
  hotkey: 'one',
  machineKey: 'm1',
  gpuClass: 'H200',
  kind: 'paid',
  unitMs: 3_600_000n,
  settledMicroUsd: 2n * USD,
  refundedMicroUsd: 0n,
  ...changes,
});
const statement = (lines: StatementLine[], root = 'root-1'): MarketStatement => ({ market: 'market', root, lines });
const burn = (microUsd: bigint, changes: Partial<FeeBurn> = {}): FeeBurn => ({
  blockHash: 'b1',
  eventIndex: 0,
  statementRoot: 'root-1',
  microUsd,
  finalised: true,
  ...changes,
});
const verified = [
  { machineKey: 'm1', gpuClass: 'H200', units: 8n },
  { machineKey: 'm2', gpuClass: 'RTX4090', units: 8n },
];
const count = (statements: MarketStatement[], burns: FeeBurn[], policy: DemandInput['policy'] = CASH): CountedDemand =>
  countDemand({ statements, burns, verified, periodMs: 3_600_000n, referenceMicroUsdPerHour: references, policy });
const counted = (lines: StatementLine[], burns: FeeBurn[], policy: typeof CASH | typeof EMISSION = CASH): bigint =>
  count([statement(lines)], burns, policy).countedMicroUsd.get('H200') ?? 0n;

describe('an hour counts', () => {
  test('in full when it was paid at the reference price and its fee was burned', () => {
    expect(counted([line()], [burn(200_000n)])).toBe(2n * USD);
  });

  test.each(['free', 'promotional', 'decoy', 'allowance'] as const)('for nothing when it was %s', (kind: HoursKind) => {
    const { lines } = count([statement([line({ kind })])], [burn(USD)], CASH);
    expect(lines[0]).toMatchObject({ countedMicroUsd: 0n, reasons: ['not paid'] });
  });

  test('only as far as the renter did not get the money back', () => {
    expect(counted([line({ refundedMicroUsd: 2n * USD })], [burn(200_000n)])).toBe(0n);
    expect(counted([line({ refundedMicroUsd: 1n * USD })], [burn(200_000n)])).toBe(1n * USD);
    expect(counted([line({ refundedMicroUsd: 3n * USD })], [burn(200_000n)])).toBe(0n);
  });

  test('at most at the reference price', () => {
    expect(counted([line({ settledMicroUsd: 50n * USD })], [burn(5n * USD)])).toBe(2n * USD);
    expect(counted([line({ settledMicroUsd: 1n * USD })], [burn(100_000n)])).toBe(1n * USD);
  });

  test('only in a class that the policy names', () => {
    const { lines } = count([statement([line({ gpuClass: 'T4' })])], [burn(USD)], CASH);
    expect(lines[0]).toMatchObject({ countedMicroUsd: 0n, reasons: ['class not in the policy'] });
  });
});

describe('a market cannot move its revenue', () => {
  test('to a class that the machine has no proof of', () => {
    const { lines } = count([statement([line({ machineKey: 'm2' })])], [burn(200_000n)]);
    expect(lines[0]).toMatchObject({ countedMicroUsd: 0n, reasons: ['not a verified machine of this class'] });
  });

  test('to hours that a machine does not have, in one statement or in several', () => {
    const full = line({ unitMs: 6n * 3_600_000n, settledMicroUsd: 12n * USD });
    const both = [statement([full]), { ...statement([full], 'root-2'), market: 'other' }];
    const burns = [burn(1_200_000n), burn(1_200_000n, { eventIndex: 1, statementRoot: 'root-2' })];
    const demand = count(both, burns);
    expect(demand.lines.map(({ countedMicroUsd }) => countedMicroUsd)).toEqual([12n * USD, 4n * USD]);
    expect(demand.lines[1]!.reasons).toEqual(['more hours than the machine has']);
    expect(count(both.toReversed(), burns).lines).toEqual(demand.lines);
  });
});

describe('a burn counts', () => {
  test('in part for part of the fee, on every line alike', () => {
    const { lines } = count([statement([line(), line({ rentalId: 'r2' })])], [burn(100_000n)], CASH);
    expect(lines.map((own) => own.countedMicroUsd)).toEqual([500_000n, 500_000n]);
    expect(lines[0]!.reasons).toEqual(['fee not burned']);
  });

  test('only on a finalised block, only for its statement, and once', () => {
    expect(counted([line()], [burn(200_000n, { finalised: false })])).toBe(0n);
    expect(counted([line()], [burn(200_000n, { statementRoot: 'root-2' })])).toBe(0n);
    expect(counted([line()], [])).toBe(0n);
    const demand = count([statement([line()])], [burn(100_000n), burn(100_000n)], CASH);
    expect(demand.countedMicroUsd.get('H200')).toBe(1n * USD);
    expect(demand.repeated).toEqual(['burn b1-0']);
    const two = [burn(100_000n), burn(100_000n, { eventIndex: 1 })];
    expect(counted([line()], two)).toBe(2n * USD);
  });

  test('of the whole revenue where emission pays the rental share: the fee alone would leave the cash with the market', () => {
    expect(counted([line()], [burn(200_000n)], EMISSION)).toBe(200_000n);
    expect(counted([line()], [burn(2n * USD)], EMISSION)).toBe(2n * USD);
  });
});

test('a statement that is given twice counts once', () => {
  const twice = [statement([line()]), statement([line()])];
  const demand = count(twice, [burn(200_000n)], CASH);
  expect(demand.countedMicroUsd.get('H200')).toBe(2n * USD);
  expect(demand.repeated).toEqual(['statement root-1']);
});

test('a fee of nothing makes no demand', () => {
  expect(count([statement([line()])], [burn(USD)], { ...CASH, feePpm: 0n }).lines[0]).toMatchObject({
    countedMicroUsd: 0n,
  });
});

test('whatever a market states, what counts is at most what was burned over the fee', () => {
  const amount = fc.bigInt({ min: 0n, max: 100n * USD });
  const lines = fc.array(
    fc.record({
      kind: fc.constantFrom('paid', 'free', 'decoy'),
      gpuClass: fc.constantFrom('H200', 'T4'),
      unitMs: fc.bigInt({ min: 0n, max: 10n ** 10n }),
      settledMicroUsd: amount,
      refundedMicroUsd: fc.oneof(fc.constant(0n), amount),
    }),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(lines, amount, fc.constantFrom(CASH, EMISSION), (given, burned, policy) => {
      const own = given.map((changes, i) => line({ ...changes, kind: changes.kind as HoursKind, rentalId: `r${i}` }));
      const demand = count([statement(own)], [burn(burned)], policy);
      const total = [...demand.countedMicroUsd.values()].reduce((sum, value) => sum + value, 0n);
      const perDollar = policy.rentalShare === 'cash' ? policy.feePpm : 1_000_000n;
      expect(total * perDollar <= burned * 1_000_000n).toBe(true);
      const owed = owedRentalShares(demand.lines, policy).reduce((sum, share) => sum + share.owedMicroUsd, 0n);
      expect(owed <= burned).toBe(true);
      if (policy.rentalShare === 'cash') expect(owed).toBe(0n);
    }),
  );
});

test('from emission a machine is owed all but the fee of what was burned', () => {
  const { lines } = count([statement([line(), line({ rentalId: 'r2' })])], [burn(4n * USD)], EMISSION);
  expect(owedRentalShares(lines, EMISSION)).toEqual([{ hotkey: 'one', machineKey: 'm1', owedMicroUsd: 3_600_000n }]);
});

test('emission owes nothing on the word of a market about a machine without proof, or beyond its hours', () => {
  const unproven = count([statement([line({ machineKey: 'm2' })])], [burn(2n * USD)], EMISSION);
  expect(owedRentalShares(unproven.lines, EMISSION)).toEqual([]);
  const beyond = count([statement([line({ unitMs: 9n * 3_600_000n })])], [burn(2n * USD)], EMISSION);
  expect(owedRentalShares(beyond.lines, EMISSION)).toEqual([]);
});
