/** Money by the second: whole micro-dollars, rounded once per rental and never against the renter. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coveredMs,
  dueMicroUsd,
  holdMicroUsd,
  LOOP_FEE_BASIS_POINTS,
  MICRO_USD_PER_USD,
  splitCharge,
  totalChargeMicroUsd,
} from './charge.ts';

const HOUR_MS = 3_600_000n;
const ms = fc.bigInt({ min: 0n, max: 30n * 24n * HOUR_MS });
const price = fc.bigInt({ min: 0n, max: 1_000n * MICRO_USD_PER_USD });
const money = fc.bigInt({ min: 0n, max: 10n ** 15n });

test('an hour costs the price of an hour, a second a 3,600th of it', () => {
  expect(totalChargeMicroUsd(HOUR_MS, 2_500_000n)).toBe(2_500_000n);
  expect(totalChargeMicroUsd(1_000n, 3_600_000n)).toBe(1_000n);
  expect(totalChargeMicroUsd(999n, 3_600n)).toBe(0n);
});

describe('a rental as a whole', () => {
  test('is charged at most one micro-dollar too little and never too much', () => {
    fc.assert(
      fc.property(ms, price, (billableMs, priceMicroUsdPerHour) => {
        const exactTimesHour = billableMs * priceMicroUsdPerHour;
        const chargedTimesHour = totalChargeMicroUsd(billableMs, priceMicroUsdPerHour) * HOUR_MS;
        expect(chargedTimesHour <= exactTimesHour).toBe(true);
        expect(exactTimesHour - chargedTimesHour < HOUR_MS).toBe(true);
      }),
    );
  });

  test('costs the same however often it is settled on the way, and no settlement gives anything back', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: HOUR_MS }), { maxLength: 50 }), price, (steps, pricePerHour) => {
        let billableMs = 0n;
        let chargedMicroUsd = 0n;
        for (const step of steps) {
          billableMs += step;
          const due = dueMicroUsd(billableMs, pricePerHour, chargedMicroUsd);
          expect(due >= 0n).toBe(true);
          chargedMicroUsd += due;
          expect(dueMicroUsd(billableMs, pricePerHour, chargedMicroUsd)).toBe(0n);
        }
        expect(chargedMicroUsd).toBe(totalChargeMicroUsd(billableMs, pricePerHour));
      }),
    );
  });

  test('costs more only for more time or a higher price', () => {
    fc.assert(
      fc.property(
        ms,
        price,
        fc.bigInt({ min: 0n, max: HOUR_MS }),
        fc.bigInt({ min: 0n, max: 1_000n }),
        (t, p, dt, dp) => {
          expect(totalChargeMicroUsd(t + dt, p + dp) >= totalChargeMicroUsd(t, p)).toBe(true);
        },
      ),
    );
  });

  test('is never charged again once more has been charged than is due', () => {
    expect(dueMicroUsd(1_000n, 3_600_000n, 2_000n)).toBe(0n);
  });
});

describe('provider and fee', () => {
  test('add up to the charge, and neither is ever negative', () => {
    fc.assert(
      fc.property(money, fc.bigInt({ min: 0n, max: 10_000n }), (charged, basisPoints) => {
        const { providerMicroUsd, feeMicroUsd } = splitCharge(charged, basisPoints);
        expect(providerMicroUsd + feeMicroUsd).toBe(charged);
        expect(providerMicroUsd >= 0n && feeMicroUsd >= 0n).toBe(true);
      }),
    );
  });

  test('only grow as the charge grows, so a settlement never takes back a share', () => {
    fc.assert(
      fc.property(money, fc.bigInt({ min: 0n, max: 10_000n }), (charged, more) => {
        const before = splitCharge(charged);
        const after = splitCharge(charged + more);
        expect(after.providerMicroUsd >= before.providerMicroUsd && after.feeMicroUsd >= before.feeMicroUsd).toBe(true);
      }),
    );
  });

  test('are nine tenths and one tenth of a dollar', () => {
    expect(LOOP_FEE_BASIS_POINTS).toBe(1_000n);
    expect(splitCharge(MICRO_USD_PER_USD)).toEqual({ providerMicroUsd: 900_000n, feeMicroUsd: 100_000n });
  });
});

describe('a hold', () => {
  test('always covers the time that it was made for, by less than one micro-dollar more', () => {
    fc.assert(
      fc.property(ms, price, (committedMs, pricePerHour) => {
        const held = holdMicroUsd(committedMs, pricePerHour);
        const total = totalChargeMicroUsd(committedMs, pricePerHour);
        expect(held - total === 0n || held - total === 1n).toBe(true);
      }),
    );
  });

  test('is never exceeded by the charge for the time that it covers', () => {
    fc.assert(
      fc.property(money, fc.bigInt({ min: 1n, max: 10n ** 9n }), (held, pricePerHour) => {
        const covered = coveredMs(held, pricePerHour) as bigint;
        expect(totalChargeMicroUsd(covered, pricePerHour) <= held).toBe(true);
        expect(holdMicroUsd(covered + 1n, pricePerHour) > held).toBe(true);
      }),
    );
  });

  test('of nothing covers a free machine for ever', () => {
    expect(coveredMs(0n, 0n)).toBeNull();
  });
});

test('a meter that runs backwards and a negative price are faults, not credits', () => {
  expect(() => totalChargeMicroUsd(-1n, 1n)).toThrow(/a meter only grows/);
  expect(() => totalChargeMicroUsd(1n, -1n)).toThrow(/at least 0/);
});
