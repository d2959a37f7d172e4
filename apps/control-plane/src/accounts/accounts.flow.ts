/** Sign up and log in: a person becomes an account with an API key, shown once. */
import { CeliumError, SCOPES, type Scope } from '@celium/contract';
import { hashSecret } from '../http/access.ts';
import type { MarketDatabase } from '../database/market-database.ts';
import type { Clock, Randomness } from '../ports.ts';
import { addApiKey, ensureAccount, findAccount, type Account } from './accounts.store.ts';
import type { People } from './people.ts';

export { findAccount, findApiKey } from './accounts.store.ts';

export interface AccountParts {
  database: MarketDatabase;
  people: People;
  clock: Clock;
  randomness: Randomness;
}

export interface Session {
  accountId: string;
  email: string;
  apiKey: string;
  scopes: Scope[];
}

const API_KEY_PREFIX = 'cel_live_';
const SHOWN_KEY_LENGTH = API_KEY_PREFIX.length + 6;

/** Makes an account. Throws EMAIL_TAKEN. */
export async function signUp(parts: AccountParts, email: string, password: string): Promise<Session> {
  const address = email.toLowerCase();
  return openSession(parts, await parts.people.signUp(address, password), address);
}

/** A new API key for who knows the password. Throws BAD_CREDENTIALS. */
export async function logIn(parts: AccountParts, email: string, password: string): Promise<Session> {
  const address = email.toLowerCase();
  return openSession(parts, await parts.people.logIn(address, password), address);
}

export async function readAccount(parts: AccountParts, accountId: string): Promise<Account> {
  const account = await findAccount(parts.database.db, { accountId });
  if (account === null) throw new CeliumError('NOT_FOUND');
  return account;
}

async function openSession(parts: AccountParts, personId: string, email: string): Promise<Session> {
  const { database, clock, randomness } = parts;
  const apiKey = API_KEY_PREFIX + Buffer.from(randomness.bytes(32)).toString('hex');
  const account = await database.transaction(async (tx) => {
    const made = await ensureAccount(tx.db, { personId, email }, randomness.uuid(), clock.now());
    const key = { keyHash: hashSecret(apiKey), prefix: apiKey.slice(0, SHOWN_KEY_LENGTH), scopes: SCOPES };
    await addApiKey(tx.db, { ...key, accountId: made.accountId }, clock.now());
    return made;
  });
  return { accountId: account.accountId, email: account.email, apiKey, scopes: [...SCOPES] };
}
