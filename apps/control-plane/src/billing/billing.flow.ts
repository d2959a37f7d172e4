/** Money: the operator's grants, holds for rentals, settlement, release. All of it is postings in the caller's transaction. */
import { CeliumError } from '@celium/contract';
import { LEDGER_ACCOUNTS, firstHoldMicroUsd, fundRental, grantPosting, holdPosting } from '@celium/domain';
import { brokenConstraint, type Tx } from '../database/market-database.ts';
import type { Clock, Randomness } from '../ports.ts';
import { lockBalance, postTransfer, readBalance, releaseHold, settleRental } from './ledger.store.ts';

export interface BillingParts {
  clock: Clock;
  randomness: Randomness;
}

/** What rentals need of money; each call belongs to the transaction given. */
export interface Billing {
  /** Sets the first minutes aside, and answers how much. Throws NO_BALANCE, and then the transaction is spent. */
  holdFirst(tx: Tx, rental: RentalMoney): Promise<bigint>;
  /** Charges what the meter shows. The rental's row must be locked and stored. */
  settle(tx: Tx, rentalId: string): Promise<void>;
  /** After a settlement: tops the hold up; true when the money does not reach for the next minutes. */
  topUp(tx: Tx, rental: RentalMoney): Promise<boolean>;
  /** Gives the rest of the hold back. */
  release(tx: Tx, rentalId: string): Promise<void>;
}

export interface RentalMoney {
  rentalId: string;
  accountId: string;
  priceMicroUsdPerHour: bigint;
}

export function makeBilling({ clock, randomness }: BillingParts): Billing {
  const hold = async (tx: Tx, rental: RentalMoney, amountMicroUsd: bigint): Promise<void> => {
    const transfer = {
      transferId: randomness.uuid(),
      kind: 'hold' as const,
      rentalId: rental.rentalId,
      note: '',
      atMs: clock.now(),
    };
    await postTransfer(tx, transfer, holdPosting(rental.accountId, rental.rentalId, amountMicroUsd));
  };
  return {
    holdFirst: async (tx, rental) => {
      const needed = firstHoldMicroUsd(rental.priceMicroUsdPerHour);
      try {
        await hold(tx, rental, needed);
        return needed;
      } catch (fault) {
        if (brokenConstraint(fault) !== 'no_negative_renter_balance') throw fault;
        throw new CeliumError(
          'NO_BALANCE',
          `the first 10 minutes cost ${formatUsd(needed)}, more than the balance has`,
          {
            details: { neededMicroUsd: needed.toString() },
          },
        );
      }
    },
    settle: async (tx, rentalId) => {
      const transferIds = { settlement: randomness.uuid(), absence: randomness.uuid() };
      await settleRental(tx, rentalId, transferIds, clock.now());
    },
    topUp: async (tx, rental) => {
      // Locked, so that no other rental of the account spends the same money meanwhile.
      const availableMicroUsd = await lockBalance(tx, LEDGER_ACCOUNTS.available(rental.accountId));
      const heldMicroUsd = await readBalance(tx.db, LEDGER_ACCOUNTS.held(rental.rentalId));
      const plan = fundRental({ heldMicroUsd, availableMicroUsd, priceMicroUsdPerHour: rental.priceMicroUsdPerHour });
      if (plan.topUpMicroUsd > 0n) await hold(tx, rental, plan.topUpMicroUsd);
      return plan.exhausted;
    },
    release: async (tx, rentalId) => releaseHold(tx, rentalId, randomness.uuid(), clock.now()),
  };
}

/** The operator gives credit. Answers the transfer and the new balance. */
export async function grantCredit(
  { clock, randomness }: BillingParts,
  tx: Tx,
  accountId: string,
  amountMicroUsd: bigint,
  note: string,
): Promise<{ transferId: string; availableMicroUsd: bigint }> {
  const transferId = randomness.uuid();
  const transfer = { transferId, kind: 'grant' as const, rentalId: null, note, atMs: clock.now() };
  await postTransfer(tx, transfer, grantPosting(accountId, amountMicroUsd));
  return { transferId, availableMicroUsd: await readBalance(tx.db, LEDGER_ACCOUNTS.available(accountId)) };
}

/** Micro-dollars as people read them: `$1.25`. */
export function formatUsd(microUsd: bigint): string {
  const [sign, amount] = microUsd < 0n ? ['-', -microUsd] : ['', microUsd];
  const fraction = (amount % 1_000_000n)
    .toString()
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${sign}$${amount / 1_000_000n}.${fraction}`;
}
