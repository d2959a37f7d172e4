/** The ledger in PostgreSQL: posting, settling and releasing are functions of the database; nothing else writes entries. */
import { LEDGER_ACCOUNTS, type LedgerEntry } from '@celium/domain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';

export interface Transfer {
  transferId: string;
  kind: 'grant' | 'hold' | 'settlement' | 'release' | 'absence';
  rentalId: string | null;
  note: string;
  atMs: number;
}

export interface LedgerLine {
  transferId: string;
  atMs: number;
  kind: string;
  account: string;
  amountMicroUsd: bigint;
  rentalId: string | null;
}

/** Posts a transfer; posting it again changes nothing. A renter's balance below zero breaks `no_negative_renter_balance`. */
export async function postTransfer(tx: Tx, transfer: Transfer, entries: readonly LedgerEntry[]): Promise<void> {
  const accounts = entries.map((entry) => entry.account);
  const amounts = entries.map((entry) => entry.amountMicroUsd.toString());
  await sql`select post_transfer(
    ${transfer.transferId}::uuid, ${transfer.kind}, ${transfer.rentalId}::uuid, ${transfer.note}, ${transfer.atMs}::bigint,
    ${accounts}::text[], ${amounts}::bigint[])`.execute(tx.db);
}

/** The balance of an account, over all its stripes. */
export async function readBalance(db: Queries, account: string): Promise<bigint> {
  const { rows } = await sql<{ balance: bigint }>`select ledger_balance(${account}) as balance`.execute(db);
  return rows[0]?.balance ?? 0n;
}

/** The balance of one's own account, locked until the transaction ends. */
export async function lockBalance(tx: Tx, account: string): Promise<bigint> {
  const { rows } = await sql<{ balance: bigint }>`
    select balance_micro_usd as balance from ledger_balances where account = ${account} and stripe = 0 for update`.execute(
    tx.db,
  );
  return rows[0]?.balance ?? 0n;
}

/** What an account may spend, and what is held for its rentals. */
export async function readFunds(
  db: Queries,
  accountId: string,
): Promise<{ availableMicroUsd: bigint; heldMicroUsd: bigint }> {
  const { rows } = await sql<{ available: bigint; held: bigint }>`
    select ledger_balance(${LEDGER_ACCOUNTS.available(accountId)}) as available,
      (select coalesce(sum(ledger_balance('renter:held:' || rental_id)), 0)::bigint
        from rentals where account_id = ${accountId}::uuid and state <> 'ended') as held`.execute(db);
  return { availableMicroUsd: rows[0]?.available ?? 0n, heldMicroUsd: rows[0]?.held ?? 0n };
}

/** Settles a rental whose row is locked. Answers what was charged. */
export async function settleRental(
  tx: Tx,
  rentalId: string,
  transferIds: { settlement: string; absence: string },
  nowMs: number,
): Promise<bigint> {
  const { rows } = await sql<{ charged: bigint }>`
    select settle_rental(${rentalId}::uuid, ${transferIds.settlement}::uuid, ${transferIds.absence}::uuid, ${nowMs}::bigint) as charged`.execute(
    tx.db,
  );
  return rows[0]?.charged ?? 0n;
}

/** Gives what is held for a rental back to its renter. */
export async function releaseHold(tx: Tx, rentalId: string, transferId: string, nowMs: number): Promise<void> {
  await sql`select release_hold(${rentalId}::uuid, ${transferId}::uuid, ${nowMs}::bigint)`.execute(tx.db);
}

/** Entries of an account and of its rentals, newest first. */
export async function listLines(
  db: Queries,
  accountId: string,
  filter: { rentalId?: string | undefined; limit: number },
): Promise<LedgerLine[]> {
  const only = filter.rentalId === undefined ? sql`true` : sql`t.rental_id = ${filter.rentalId}::uuid`;
  const { rows } = await sql<{
    transfer_id: string;
    at_ms: bigint;
    kind: string;
    account: string;
    amount_micro_usd: bigint;
    rental_id: string | null;
  }>`
    select t.transfer_id, t.at_ms, t.kind, e.account, e.amount_micro_usd, t.rental_id
    from ledger_entries e join ledger_transfers t using (transfer_id)
    where (e.account = ${LEDGER_ACCOUNTS.available(accountId)}
      or t.rental_id in (select rental_id from rentals where account_id = ${accountId}::uuid)) and ${only}
    order by e.entry_id desc limit ${filter.limit}`.execute(db);
  return rows.map((row) => ({
    transferId: row.transfer_id,
    atMs: Number(row.at_ms),
    kind: row.kind,
    account: row.account,
    amountMicroUsd: row.amount_micro_usd,
    rentalId: row.rental_id,
  }));
}

/** The sum of all entries, balances by class of account (renters' summed, so that nobody is named), and what is wrong. */
export async function audit(
  db: Queries,
): Promise<{ sumMicroUsd: bigint; accounts: Array<{ account: string; balance: bigint }>; violations: string[] }> {
  const sum = await sql<{ total: bigint }>`
    select coalesce(sum(amount_micro_usd), 0)::bigint as total from ledger_entries`.execute(db);
  const classes = await sql<{ account: string; balance: bigint }>`
    select case when account like 'renter:%' then substring(account from '^renter:[a-z]+') else account end as account,
      sum(balance_micro_usd)::bigint as balance
    from ledger_balances group by 1 order by 1`.execute(db);
  const violations = await sql<{ violation: string }>`select violation from audit_ledger() limit 100`.execute(db);
  return {
    sumMicroUsd: sum.rows[0]?.total ?? 0n,
    accounts: classes.rows,
    violations: violations.rows.map((row) => row.violation),
  };
}
