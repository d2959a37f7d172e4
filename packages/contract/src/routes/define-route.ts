/** The form of one route: the server mounts it, the SDK calls it, OpenAPI is printed from it. */

import type { z } from 'zod';

export type HttpMethod = 'GET' | 'POST' | 'DELETE' | 'PUT';

/** Who may call a route. A route without a rule does not exist. */
export type Access =
  | { kind: 'public' }
  /** An API key with this scope. */
  | { kind: 'account'; scope: Scope }
  /** The market operator's key. */
  | { kind: 'operator' }
  /** A signed request by a hotkey with a validator permit. */
  | { kind: 'validator' };

/** What an API key may do. */
export const SCOPES = ['account:read', 'keys:write', 'rentals:read', 'rentals:write'] as const;
export type Scope = (typeof SCOPES)[number];

/** Classes of rate limits; numbers are in the market. */
export type RateClass = 'read' | 'write' | 'login' | 'rent';

export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  operationId: string;
  method: HttpMethod;
  /** With `:name` for parameters. */
  path: string;
  summary: string;
  access: Access;
  rateClass: RateClass;
  /** Takes an `Idempotency-Key` header: the same key and request give the same answer for 24 h. */
  idempotent: boolean;
  params?: Params;
  query?: Query;
  body?: Body;
  /** Status of the good answer, and its form. */
  status: 200 | 201;
  reply: Reply;
}

/** Defines one route and keeps its types. */
export function defineRoute<
  Params extends z.ZodType = z.ZodNever,
  Query extends z.ZodType = z.ZodNever,
  Body extends z.ZodType = z.ZodNever,
  Reply extends z.ZodType = z.ZodType,
>(route: Route<Params, Query, Body, Reply>): Route<Params, Query, Body, Reply> {
  return route;
}

/** What a schema takes, before its defaults; `never` for a part that a route does not have. */
export type InputOf<Schema> = Schema extends z.ZodType ? z.input<Schema> : never;

/** What a schema gives, defaults filled in. */
export type OutputOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : never;
