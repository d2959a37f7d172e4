/** The types of one call, computed from the route table: what goes in, what comes out. */

import type { InputOf, OperationId, OutputOf, Routes } from '@celium/contract';

/** One part of a call: absent when the route has none, optional when all of its fields are. */
type Part<Name extends string, Input> = [Input] extends [never]
  ? unknown
  : Record<never, never> extends Input
    ? { [K in Name]?: Input }
    : { [K in Name]: Input };

type PartOfRoute<Id extends OperationId, Name extends 'params' | 'query' | 'body'> = Routes[Id] extends infer R
  ? Name extends keyof R
    ? InputOf<NonNullable<R[Name]>>
    : never
  : never;

/** How one call is made. */
export interface CallSettings {
  /** Sent as `Idempotency-Key`; by default a fresh one for each call of a route that takes one. */
  idempotencyKey?: string;
  /** For the whole answer of one attempt; 30 seconds by default, and the route's own waiting on top. */
  timeoutMs?: number;
  /** Ends the call early; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** What `call` takes for one operation: `params`, `query` and `body` as the route has them, and settings. */
export type CallInput<Id extends OperationId> = Part<'params', PartOfRoute<Id, 'params'>> &
  Part<'query', PartOfRoute<Id, 'query'>> &
  Part<'body', PartOfRoute<Id, 'body'>> &
  CallSettings;

/** What `call` answers for one operation. */
export type CallReply<Id extends OperationId> = OutputOf<Routes[Id]['reply']>;

/** The input may be left out when nothing in it is needed. */
export type CallArguments<Id extends OperationId> =
  Record<never, never> extends CallInput<Id> ? [input?: CallInput<Id>] : [input: CallInput<Id>];
