/** Nonces of signed requests in PostgreSQL, remembered until expiry plus ten minutes and shared by all replicas. */
import { NONCE_MEMORY_MS } from '@celium/contract';
import type { NonceStore } from '@celium/chain';
import type { Queries } from '../database/market-database.ts';

/** The market's memory of nonces. */
export function postgresNonces(db: Queries): NonceStore {
  return {
    claim: async (nonce, expiresAtMs) => {
      const taken = await db
        .insertInto('request_nonces')
        .values({ nonce, forget_at_ms: Math.ceil(expiresAtMs + NONCE_MEMORY_MS) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return taken.numInsertedOrUpdatedRows === 1n;
    },
  };
}

/** Forgets nonces whose time is over. */
export async function forgetOldNonces(db: Queries, nowMs: number): Promise<void> {
  await db.deleteFrom('request_nonces').where('forget_at_ms', '<', BigInt(nowMs)).execute();
}
