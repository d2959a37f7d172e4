/** What the HTTP layer remembers in PostgreSQL, for those who open and clean it. */
import type { Queries } from '../database/market-database.ts';
import { forgetOldKeys } from './idempotency.store.ts';
import { forgetOldNonces } from './nonces.store.ts';
import { forgetOldRates } from './rates.store.ts';

export { postgresNonces } from './nonces.store.ts';

/** Forgets idempotency keys, nonces and rate windows whose time is over. */
export async function forgetOldRequests(db: Queries, nowMs: number): Promise<void> {
  await forgetOldKeys(db, nowMs);
  await forgetOldNonces(db, nowMs);
  await forgetOldRates(db, nowMs);
}
