/** Accounts and their API keys in PostgreSQL. Of a key only its SHA-256 and its first characters are kept. */
import type { Scope } from '@celium/contract';
import type { Queries } from '../database/market-database.ts';

export interface Account {
  accountId: string;
  email: string;
  createdAtMs: number;
}

/** The account of a person, made when it is missing (also after a sign-up that was cut short). */
export async function ensureAccount(
  db: Queries,
  person: { personId: string; email: string },
  accountId: string,
  nowMs: number,
): Promise<Account> {
  await db
    .insertInto('accounts')
    .values({ account_id: accountId, person_id: person.personId, email: person.email, created_at_ms: nowMs })
    .onConflict((conflict) => conflict.column('person_id').doNothing())
    .execute();
  const row = await db
    .selectFrom('accounts')
    .select(['account_id', 'email', 'created_at_ms'])
    .where('person_id', '=', person.personId)
    .executeTakeFirstOrThrow();
  return { accountId: row.account_id, email: row.email, createdAtMs: Number(row.created_at_ms) };
}

export async function findAccount(db: Queries, by: { accountId: string } | { email: string }): Promise<Account | null> {
  const query = db.selectFrom('accounts').select(['account_id', 'email', 'created_at_ms']);
  const row = await (
    'accountId' in by ? query.where('account_id', '=', by.accountId) : query.where('email', '=', by.email)
  ).executeTakeFirst();
  return row === undefined
    ? null
    : { accountId: row.account_id, email: row.email, createdAtMs: Number(row.created_at_ms) };
}

export async function addApiKey(
  db: Queries,
  key: { keyHash: Buffer; accountId: string; prefix: string; scopes: readonly Scope[] },
  nowMs: number,
): Promise<void> {
  await db
    .insertInto('api_keys')
    .values({
      key_hash: key.keyHash,
      account_id: key.accountId,
      prefix: key.prefix,
      scopes: [...key.scopes],
      created_at_ms: nowMs,
      revoked_at_ms: null,
    })
    .execute();
}

/** The account and scopes of a key that is in force, or null. */
export async function findApiKey(db: Queries, keyHash: Buffer): Promise<{ accountId: string; scopes: Scope[] } | null> {
  const row = await db
    .selectFrom('api_keys')
    .select(['account_id', 'scopes'])
    .where('key_hash', '=', keyHash)
    .where('revoked_at_ms', 'is', null)
    .executeTakeFirst();
  return row === undefined ? null : { accountId: row.account_id, scopes: row.scopes as Scope[] };
}
