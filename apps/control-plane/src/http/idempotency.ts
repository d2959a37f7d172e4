/** Runs an effect at most once per idempotency key. The answer is stored in the effect's own transaction. */
import { createHash } from 'node:crypto';
import { CeliumError, canonicalJson } from '@celium/contract';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import { storeAnswer, takeKey } from './idempotency.store.ts';

const KEY_FORM = /^[A-Za-z0-9_.:-]{8,128}$/;

/** What makes two requests the same request. */
export interface IdempotentRequest {
  /** Whose keys these are: callers do not share them. */
  caller: string;
  idempotencyKey: string;
  operationId: string;
  params: unknown;
  query: unknown;
  body: unknown;
}

/** The value of an `idempotency-key` header, checked. Throws BAD_REQUEST. */
export function readIdempotencyKey(value: string | string[] | undefined): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string' || !KEY_FORM.test(value)) {
    throw new CeliumError('BAD_REQUEST', 'idempotency-key: 8 to 128 characters of A-Z a-z 0-9 _ . : -');
  }
  return value;
}

/** Runs `work` unless its key was used before; then the first answer is given again. Throws IDEMPOTENCY_MISMATCH. */
export async function runOnce<Reply>(
  database: MarketDatabase,
  nowMs: number,
  request: IdempotentRequest,
  work: (tx: Tx) => Promise<Reply>,
): Promise<Reply> {
  const requestHash = hashOf(request);
  return database.transaction(async (tx) => {
    const first = await takeKey(tx, { ...request, requestHash }, nowMs);
    if (first !== null) return sameAnswer<Reply>(first, requestHash);
    const reply = await work(tx);
    await storeAnswer(tx, request.caller, request.idempotencyKey, reply);
    return reply;
  });
}

function sameAnswer<Reply>(first: { requestHash: string; reply: unknown }, requestHash: string): Reply {
  if (first.requestHash !== requestHash) throw new CeliumError('IDEMPOTENCY_MISMATCH');
  return first.reply as Reply;
}

function hashOf(request: IdempotentRequest): string {
  const { operationId, params, query, body } = request;
  return createHash('sha256').update(canonicalJson({ operationId, params, query, body })).digest('hex');
}
