/** The ledger against a real PostgreSQL: it sums to zero, no renter falls below zero, nothing is ever changed, and it counts as domain does. */
import fc from 'fast-check';
import { LEDGER_ACCOUNTS, dueMicroUsd, grantPosting, holdPosting, splitCharge } from '@celium/domain';
import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { brokenConstraint, openDatabase, type MarketDatabase } from '../database/market-database.ts';
import { migrateDatabase } from '../database/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../database/testing.ts';
import { makeBilling } from './billing.flow.ts';
import { audit, postTransfer, readBalance, settleRental } from './ledger.store.ts';
import { systemRandomness } from '../system-ports.ts';
import { TestClock } from '../testing/test-clock.ts';

let testDatabase: TestDatabase;
let database: MarketDatabase;
beforeAll(async () => {
  testDatabase = await createTestDatabase(migrateDatabase);
  database = openDatabase(testDatabase.url);
});
afterAll(async () => {
  await database.close();
  await testDatabase.drop();
});

const transfer = (kind: 'grant' | 'hold' = 'grant') => ({
  transferId: randomUUID(),
  kind,
  rentalId: null,
  note: '',
  atMs: 1,
});

test('whatever is posted, in whatever order and at once, the ledger sums to zero and no renter is below zero', async () => {
  const accounts = Array.from({ length: 3 }, () => randomUUID());
  const rentals = Array.from({ length: 3 }, () => randomUUID());
  const posting = fc.record({
    who: fc.nat(2),
    rental: fc.nat(2),
    amount: fc.bigInt(-2_000n, 2_000n),
    grant: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(posting, { minLength: 1, maxLength: 12 }), async (postings) => {
      await Promise.all(
        postings.map(async ({ who, rental, amount, grant }) => {
          const account = accounts[who] ?? '';
          const entries = grant ? grantPosting(account, amount) : holdPosting(account, rentals[rental] ?? '', amount);
          await database
            .transaction((tx) => postTransfer(tx, transfer(), entries))
            .catch((fault: unknown) => {
              expect(brokenConstraint(fault)).toBe('no_negative_renter_balance');
            });
        }),
      );
      const found = await audit(database.db);
      expect(found).toMatchObject({ sumMicroUsd: 0n, violations: [] });
    }),
    { numRuns: 25 },
  );
});

test('entries that do not sum to zero are refused', async () => {
  const lopsided = [
    { account: LEDGER_ACCOUNTS.promo, amountMicroUsd: -5n },
    { account: LEDGER_ACCOUNTS.available(randomUUID()), amountMicroUsd: 6n },
  ];
  await expect(database.transaction((tx) => postTransfer(tx, transfer(), lopsided))).rejects.toThrow(
    /do not sum to zero/,
  );
});

test('a transfer posted twice has one effect', async () => {
  const accountId = randomUUID();
  const once = transfer();
  for (let round = 0; round < 2; round += 1) {
    await database.transaction((tx) => postTransfer(tx, once, grantPosting(accountId, 70n)));
  }
  expect(await readBalance(database.db, LEDGER_ACCOUNTS.available(accountId))).toBe(70n);
});

test.each([
  ['update', sql`update ledger_entries set amount_micro_usd = amount_micro_usd + 1`],
  ['delete', sql`delete from ledger_entries`],
  ['truncate', sql`truncate ledger_entries, ledger_transfers`],
  ['update of a transfer', sql`update ledger_transfers set note = 'changed'`],
])('the ledger refuses an %s', async (_what, statement) => {
  await expect(statement.execute(database.db)).rejects.toThrow(/append-only/);
});

test('fifty holds at once on a balance for one: exactly one is had', async () => {
  const accountId = randomUUID();
  await database.transaction((tx) => postTransfer(tx, transfer(), grantPosting(accountId, 100n)));
  const billing = makeBilling({ clock: new TestClock(), randomness: systemRandomness });
  // 600 micro-dollars an hour hold 100 for ten minutes.
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, () =>
      database.transaction((tx) =>
        billing.holdFirst(tx, { rentalId: randomUUID(), accountId, priceMicroUsdPerHour: 600n }),
      ),
    ),
  );
  expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'NO_BALANCE' });
  }
});

test('settlement in the database charges and splits to the micro-dollar as domain does', async () => {
  const price = fc.bigInt(0n, 200_000_000n);
  const meter = fc.array(fc.bigInt(0n, 400_000n), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(price, meter, fc.bigInt(0n, 10_000_000n), async (priceMicroUsdPerHour, minutes, heldMicroUsd) => {
      const rentalId = await insertRental(priceMicroUsdPerHour, heldMicroUsd);
      let billableMs = 0n;
      let chargedMicroUsd = 0n;
      for (const more of minutes) {
        billableMs += more;
        const due = dueMicroUsd(billableMs, priceMicroUsdPerHour, chargedMicroUsd);
        const left = heldMicroUsd - chargedMicroUsd;
        const expected = due < left ? due : left;
        const charged = await database.transaction(async (tx) => {
          await sql`update rentals set billable_ms = ${billableMs} where rental_id = ${rentalId}::uuid`.execute(tx.db);
          return settleRental(tx, rentalId, { settlement: randomUUID(), absence: randomUUID() }, 1);
        });
        expect(charged).toBe(expected);
        chargedMicroUsd += charged;
      }
      const { rows } = await sql<Record<string, bigint>>`
        select charged_micro_usd, provider_micro_usd, fee_micro_usd from rentals where rental_id = ${rentalId}::uuid`.execute(
        database.db,
      );
      const { providerMicroUsd, feeMicroUsd } = splitCharge(chargedMicroUsd);
      expect(rows[0]).toEqual({
        charged_micro_usd: chargedMicroUsd,
        provider_micro_usd: providerMicroUsd,
        fee_micro_usd: feeMicroUsd,
      });
      expect(await readBalance(database.db, LEDGER_ACCOUNTS.held(rentalId))).toBe(heldMicroUsd - chargedMicroUsd);
    }),
    { numRuns: 25 },
  );
  expect(await audit(database.db)).toMatchObject({ sumMicroUsd: 0n, violations: [] });
});

/** A rental with nothing to it but its money. */
async function insertRental(priceMicroUsdPerHour: bigint, heldMicroUsd: bigint): Promise<string> {
  const [rentalId, accountId, offerId, key] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await database.transaction(async (tx) => {
    await sql`insert into auth_user (id, name, email) values (${accountId}, '', ${accountId})`.execute(tx.db);
    await sql`insert into accounts values (${accountId}::uuid, ${accountId}, ${accountId}, 0)`.execute(tx.db);
    await sql`insert into manifests values (${key}, 1, '', '{}', 0)`.execute(tx.db);
    await sql`insert into machines values (${key}, ${key}, 'm', '', '', 1, 2, '{}', false)`.execute(tx.db);
    await sql`insert into offers values (${offerId}::uuid, ${key}, ${key}, 'm', '', '{}', 0, 0, '{}', '', false, 0)`.execute(
      tx.db,
    );
    await sql`insert into rentals (rental_id, account_id, offer_id, request_id, machine_key, machine_id, hotkey, units,
        price_micro_usd_per_hour, fee_basis_points, payout_coldkey, pod, ssh_keys, public_host, created_at_ms, state, since_ms,
        granted, agent_ready, probe_ready, agent_seen_at_ms, units_released, request_hash, sequence, meter)
      values (${rentalId}::uuid, ${accountId}::uuid, ${offerId}::uuid, ${randomUUID()}::uuid, ${key}, 'm', ${key}, '{}',
        ${priceMicroUsdPerHour}, 1000, 'coldkey', '{}', '[]', '', 0, 'running', 0, true, true, true, 0, false, '', 1, '{}')`.execute(
      tx.db,
    );
    await postTransfer(tx, transfer(), grantPosting(accountId, heldMicroUsd));
    await postTransfer(tx, transfer('hold'), holdPosting(accountId, rentalId, heldMicroUsd));
  });
  return rentalId;
}
