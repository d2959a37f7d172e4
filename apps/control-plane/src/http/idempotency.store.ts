/** First answers to idempotent requests, kept for 24 h beside the effect that they had. */
import type { Queries, Tx } from '../database/market-database.ts';

/** How long an idempotency key is remembered, in milliseconds. */
export const IDEMPOTENCY_MEMORY_MS = 24 * 3_600_000;

export interface FirstAnswer {
  requestHash: string;
  reply: unknown;
}

/**
 * Takes the key for this transaction. Null when it is new; the first answer when it was used. Waits while another transaction
 * holds the same key, so that of two requests at once one has the effect and both have its answer.
 */
export async function takeKey(
  tx: Tx,
  key: { caller: string; idempotencyKey: string; operationId: string; requestHash: string },
  nowMs: number,
): Promise<FirstAnswer | null> {
  const fresh = {
    operation_id: key.operationId,
    request_hash: key.requestHash,
    reply: null,
    created_at_ms: nowMs,
  };
  const inserted = await tx.db
    .insertInto('idempotency_keys')
    .values({ caller: key.caller, idempotency_key: key.idempotencyKey, ...fresh })
    .onConflict((conflict) =>
      conflict
        .columns(['caller', 'idempotency_key'])
        .doUpdateSet(fresh)
        .where('idempotency_keys.created_at_ms', '<', BigInt(nowMs - IDEMPOTENCY_MEMORY_MS)),
    )
    .returning('request_hash')
    .executeTakeFirst();
  return inserted === undefined ? findAnswer(tx.db, key.caller, key.idempotencyKey) : null;
}

async function findAnswer(db: Queries, caller: string, idempotencyKey: string): Promise<FirstAnswer | null> {
  const row = await db
    .selectFrom('idempotency_keys')
    .select(['request_hash', 'reply'])
    .where('caller', '=', caller)
    .where('idempotency_key', '=', idempotencyKey)
    .executeTakeFirst();
  return row === undefined ? null : { requestHash: row.request_hash, reply: row.reply };
}

/** Stores the answer that repeated requests get. */
export async function storeAnswer(tx: Tx, caller: string, idempotencyKey: string, reply: unknown): Promise<void> {
  await tx.db
    .updateTable('idempotency_keys')
    .set({ reply: JSON.stringify(reply) })
    .where('caller', '=', caller)
    .where('idempotency_key', '=', idempotencyKey)
    .execute();
}

/** Forgets keys older than 24 h. */
export async function forgetOldKeys(db: Queries, nowMs: number): Promise<void> {
  await db
    .deleteFrom('idempotency_keys')
    .where('created_at_ms', '<', BigInt(nowMs - IDEMPOTENCY_MEMORY_MS))
    .execute();
}
