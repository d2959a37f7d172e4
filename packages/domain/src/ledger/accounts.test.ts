/** Every posting is double entry: what one account loses another one gains. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  absencePosting,
  grantPosting,
  holdPosting,
  LEDGER_ACCOUNTS,
  settlementPosting,
  sumOfEntries,
  type LedgerEntry,
} from './accounts.ts';

const amount = fc.bigInt({ min: 0n, max: 10n ** 15n });
const anyPosting: fc.Arbitrary<LedgerEntry[]> = fc.oneof(
  amount.map((sum) => grantPosting('alice', sum)),
  fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }).map((sum) => holdPosting('alice', 'rental-1', sum)),
  fc.tuple(amount, amount).map(([provider, fee]) => settlementPosting('rental-1', 'coldkey-1', provider, fee)),
  amount.map((sum) => absencePosting('coldkey-1', sum)),
);

/** Balances after a list of postings. */
function balances(...postings: LedgerEntry[][]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { account, amountMicroUsd } of postings.flat()) {
    sums.set(account, (sums.get(account) ?? 0n) + amountMicroUsd);
  }
  return sums;
}

test('every posting sums to zero, alone and with any others', () => {
  fc.assert(
    fc.property(fc.array(anyPosting), (postings) => {
      for (const posting of postings) expect(sumOfEntries(posting)).toBe(0n);
      expect([...balances(...postings).values()].reduce((sum, balance) => sum + balance, 0n)).toBe(0n);
    }),
  );
});

test('a rental from credit to bill: what was not used comes back, and the held account ends at zero', () => {
  const after = balances(
    grantPosting('alice', 1_000n),
    holdPosting('alice', 'rental-1', 600n),
    settlementPosting('rental-1', 'coldkey-1', 90n, 10n),
    holdPosting('alice', 'rental-1', -500n),
  );
  expect(Object.fromEntries(after)).toEqual({
    [LEDGER_ACCOUNTS.promo]: -1_000n,
    [LEDGER_ACCOUNTS.available('alice')]: 900n,
    [LEDGER_ACCOUNTS.held('rental-1')]: 0n,
    [LEDGER_ACCOUNTS.providerPending('coldkey-1')]: 90n,
    [LEDGER_ACCOUNTS.platformFee]: 10n,
  });
});

test('time that only the market’s absence left unwitnessed is paid by the market, not by the renter', () => {
  expect(absencePosting('coldkey-1', 7n)).toEqual([
    { account: LEDGER_ACCOUNTS.platformAbsence, amountMicroUsd: -7n },
    { account: LEDGER_ACCOUNTS.providerPending('coldkey-1'), amountMicroUsd: 7n },
  ]);
});
