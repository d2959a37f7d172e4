/** What a rental holds: enough ahead that a renter is never charged money that is not there. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { totalChargeMicroUsd } from './charge.ts';
import { firstHoldMicroUsd, fundRental, HOLD_AHEAD_MS, HOLD_FLOOR_MS, SETTLEMENT_INTERVAL_MS } from './funding.ts';

const price = fc.bigInt({ min: 0n, max: 100_000_000n });
const money = fc.bigInt({ min: 0n, max: 10n ** 12n });

test('a rental begins with ten minutes set aside', () => {
  expect(firstHoldMicroUsd(3_600_000n)).toBe(600_000n);
  expect(HOLD_AHEAD_MS).toBe(600_000n);
});

describe('after a settlement', () => {
  test('the hold is filled up to ten minutes, or as far as the money goes, and never taken from', () => {
    fc.assert(
      fc.property(money, money, price, (heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour) => {
        const { topUpMicroUsd } = fundRental({ heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour });
        expect(topUpMicroUsd >= 0n && topUpMicroUsd <= availableMicroUsd).toBe(true);
        const held = heldMicroUsd + topUpMicroUsd;
        const full = held >= firstHoldMicroUsd(priceMicroUsdPerHour);
        expect(full || topUpMicroUsd === availableMicroUsd).toBe(true);
        if (topUpMicroUsd > 0n) expect(held <= firstHoldMicroUsd(priceMicroUsdPerHour)).toBe(true);
      }),
    );
  });

  test('a rental goes on only while its hold pays for two and a half minutes more', () => {
    fc.assert(
      fc.property(money, money, price, (heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour) => {
        const funds = { heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour };
        const { topUpMicroUsd, exhausted } = fundRental(funds);
        if (!exhausted) {
          const cost = totalChargeMicroUsd(HOLD_FLOOR_MS, priceMicroUsdPerHour);
          expect(cost <= heldMicroUsd + topUpMicroUsd).toBe(true);
        } else {
          expect(topUpMicroUsd).toBe(availableMicroUsd);
        }
      }),
    );
  });

  test('what is held is never less than what the time until the next settlement costs', () => {
    expect(HOLD_FLOOR_MS > BigInt(2 * SETTLEMENT_INTERVAL_MS)).toBe(true);
  });

  test('a free machine needs no money and never runs out of it', () => {
    expect(fundRental({ heldMicroUsd: 0n, availableMicroUsd: 0n, priceMicroUsdPerHour: 0n })).toEqual({
      topUpMicroUsd: 0n,
      exhausted: false,
    });
  });
});

test('a rental that nobody pays into any more ends before its hold is used up', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1_000n, max: 100_000_000n }), money, (priceMicroUsdPerHour, credit) => {
      let availableMicroUsd = credit;
      let heldMicroUsd = 0n;
      let charged = 0n;
      for (let minute = 1n; minute < 1_000n; minute += 1n) {
        const { topUpMicroUsd, exhausted } = fundRental({ heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour });
        availableMicroUsd -= topUpMicroUsd;
        heldMicroUsd += topUpMicroUsd;
        if (exhausted) return;
        const total = totalChargeMicroUsd(minute * 60_000n, priceMicroUsdPerHour);
        heldMicroUsd -= total - charged;
        charged = total;
        expect(heldMicroUsd >= 0n).toBe(true);
      }
    }),
  );
});
