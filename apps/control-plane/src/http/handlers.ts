/** What a handler of a contract route takes and gives. `Handlers` names every route, so a missing one does not compile. */
import type { OperationId, Route, Routes, Scope } from '@celium/contract';
import type { z } from 'zod';
import { CeliumError } from '@celium/contract';
import type { Tx } from '../database/market-database.ts';

/** Who calls, as the route's access rule established it. */
export type Caller =
  | { kind: 'public' }
  | { kind: 'account'; accountId: string; scopes: Scope[] }
  | { kind: 'operator' }
  | { kind: 'validator'; hotkey: string };

type Output<Schema> = Schema extends z.ZodType ? z.output<Schema> : never;
type ParamsOf<R> = R extends Route<infer P, infer _Q, infer _B, infer _R> ? Output<P> : never;
type QueryOf<R> = R extends Route<infer _P, infer Q, infer _B, infer _R> ? Output<Q> : never;
type BodyOf<R> = R extends Route<infer _P, infer _Q, infer B, infer _R> ? Output<B> : never;
export type ReplyOf<R> = R extends Route<infer _P, infer _Q, infer _B, infer Reply> ? Output<Reply> : never;

/** One call of a route: checked input, caller, and how to have an effect at most once. */
export interface Call<R> {
  params: ParamsOf<R>;
  query: QueryOf<R>;
  body: BodyOf<R>;
  /** The body as it came, for signed documents: a schema may drop what it does not know, a signature covers it. */
  receivedBody: unknown;
  caller: Caller;
  ip: string;
  /** Fires when the caller has gone, or the market stops. */
  signal: AbortSignal;
  /**
   * Runs the effect in one transaction, under the request's idempotency key if it has one: a repeated request gets the first
   * answer and has no effect. A refusal is not remembered; it had no effect.
   */
  once(work: (tx: Tx) => Promise<ReplyOf<R>>): Promise<ReplyOf<R>>;
}

export type Handler<R> = (call: Call<R>) => Promise<ReplyOf<R>>;
export type Handlers = { [Id in OperationId]: Handler<Routes[Id]> };

/** The account that calls. Routes with access `account` are never called by anyone else. */
export function accountOf(call: { caller: Caller }): string {
  if (call.caller.kind !== 'account')
    throw new CeliumError('INTERNAL', undefined, { internal: 'no account calls here' });
  return call.caller.accountId;
}
