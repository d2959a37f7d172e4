/** The client: one typed `call` for every route of the contract, with deadlines, bounded retries and errors by code. */

import { CeliumError, ROUTES, type OperationId, type Route } from '@celium/contract';
import { faultOfAnswer, faultOfNetwork, isWorthRetrying, retryAfterMs } from './answer-fault.ts';
import type { CallArguments, CallReply, CallSettings } from './call-types.ts';
import { readBoundedText } from './read-body.ts';

/** How long one attempt may take unless told otherwise, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000;
/** How often one call is tried: only reads and calls with an idempotency key are tried again. */
export const MAX_ATTEMPTS = 3;
/** The longest that a client waits because a market says "retry after", in milliseconds. */
export const MAX_RETRY_WAIT_MS = 5_000;

const FIRST_RETRY_MS = 200;
/** What `getRental` waits when it is not told how long, in milliseconds: the contract's default of `waitMs`. */
const DEFAULT_WAIT_MS = 30_000;

/**
 * Signs requests of routes that are for validators. `RequestSigner` of `@celium/chain` is one: it signs again once, by the
 * recipient's own signed time, when the clock was refused.
 */
export interface RequestSigning {
  call<Answer>(
    request: { method: string; path: string; body?: string; audience: string },
    attempt: (headers: Record<string, string>) => Promise<Answer>,
    clockOf: (answer: Answer) => unknown,
  ): Promise<Answer>;
}

/** Where a client talks to, as whom, and what it takes from outside. */
export interface ClientOptions {
  /** `http(s)://` address of a market, with or without a path in front of `/v1`. */
  baseUrl: string;
  /** Sent as a bearer token to every route that is not public: an account's key, or the operator's. */
  apiKey?: string;
  /** Signs requests to validator routes. The market's public key is asked for once, unless `audience` says it. */
  signer?: RequestSigning;
  audience?: string;
  /** The network; the platform's `fetch` by default. */
  fetch?: typeof fetch;
  /** Waits before another attempt; a real timer by default. */
  sleep?: (ms: number) => Promise<void>;
  /** Fresh idempotency keys; random UUIDs by default. */
  makeIdempotencyKey?: () => string;
}

/** A client of one market. */
export interface Client {
  readonly baseUrl: string;
  /**
   * Calls one operation of the contract.
   *
   * @throws CeliumError with the code that the market answered; `MARKET_UNAVAILABLE` when nothing answers, `TIMEOUT` when it takes too
   * long, `BAD_REQUEST` when the input is not of the route's form, `DOCUMENT_UNKNOWN` when the answer is not.
   * @example const { offers } = await client.call('listOffers', { query: { class: 'H200' } });
   */
  call<Id extends OperationId>(operationId: Id, ...input: CallArguments<Id>): Promise<CallReply<Id>>;
}

interface AnyInput extends CallSettings {
  params?: unknown;
  query?: unknown;
  body?: unknown;
}

interface PreparedCall {
  operationId: string;
  method: string;
  url: string;
  /** Path with its query, as sent: what a signature covers. */
  path: string;
  body: string | undefined;
  headers: Record<string, string>;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

interface Answer {
  status: number;
  json: unknown;
  retryAfter: string | null;
  requestId: string | null;
}

/** Makes a client. No network is touched before the first call. */
export function createClient(options: ClientOptions): Client {
  const baseUrl = checkBaseUrl(options.baseUrl);
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const sleep = options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
  const makeKey = options.makeIdempotencyKey ?? (() => globalThis.crypto.randomUUID());
  let audience: Promise<string> | undefined =
    options.audience === undefined ? undefined : Promise.resolve(options.audience);

  async function call(operationId: OperationId, input: AnyInput = {}): Promise<unknown> {
    const route = ROUTES[operationId] as unknown as Route;
    const prepared = prepare(baseUrl, route, input, options.apiKey, makeKey);
    const mayRepeat = route.method === 'GET' || route.idempotent;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await answerOf(route, prepared);
        if (answer.status === route.status) return parseReply(route, answer.json);
        const fault = faultOfAnswer(operationId, answer);
        const waitMs = retryAfterMs(answer.retryAfter) ?? backoffMs(attempt);
        if (!mayRepeat || attempt >= MAX_ATTEMPTS || !isWorthRetrying(answer.status) || waitMs > MAX_RETRY_WAIT_MS)
          throw fault;
        await sleep(waitMs);
      } catch (fault) {
        const unreachable =
          fault instanceof CeliumError && fault.code === 'MARKET_UNAVAILABLE' && fault.cause !== undefined;
        if (!unreachable || !mayRepeat || attempt >= MAX_ATTEMPTS) throw fault;
        await sleep(backoffMs(attempt));
      }
    }
  }

  async function answerOf(route: Route, prepared: PreparedCall): Promise<Answer> {
    if (route.access.kind !== 'validator') return await exchange(prepared, prepared.headers);
    if (options.signer === undefined) {
      throw new CeliumError('UNAUTHENTICATED', `${route.operationId} is for validators: give the client a signer.`);
    }
    audience ??= call('getMarket').then((market) => (market as { publicKey: string }).publicKey);
    const request = {
      method: prepared.method,
      path: prepared.path,
      audience: await audience.catch((fault: unknown) => {
        audience = undefined;
        throw fault;
      }),
      ...(prepared.body === undefined ? {} : { body: prepared.body }),
    };
    return await options.signer.call<Answer>(
      request,
      (headers) => exchange(prepared, { ...prepared.headers, ...headers }),
      (answer) => clockOf(answer.json),
    );
  }

  async function exchange(prepared: PreparedCall, headers: Record<string, string>): Promise<Answer> {
    const deadline = AbortSignal.timeout(prepared.timeoutMs);
    const signal = prepared.signal === undefined ? deadline : AbortSignal.any([deadline, prepared.signal]);
    try {
      const response = await send(prepared.url, {
        method: prepared.method,
        headers,
        redirect: 'error',
        signal,
        ...(prepared.body === undefined ? {} : { body: prepared.body }),
      });
      const text = await readBoundedText(response);
      return {
        status: response.status,
        json: parseJson(text),
        retryAfter: response.headers.get('retry-after'),
        requestId: response.headers.get('x-request-id'),
      };
    } catch (fault) {
      if (prepared.signal?.aborted === true) throw prepared.signal.reason;
      if (fault instanceof CeliumError) throw fault;
      throw faultOfNetwork(prepared.operationId, baseUrl, prepared.timeoutMs, deadline.aborted, fault);
    }
  }

  return { baseUrl, call: call as Client['call'] };
}

function prepare(
  baseUrl: string,
  route: Route,
  input: AnyInput,
  apiKey: string | undefined,
  makeKey: () => string,
): PreparedCall {
  const params = parsePart(route, 'params', input.params) as Record<string, string> | undefined;
  const query = parsePart(route, 'query', input.query) as Record<string, unknown> | undefined;
  const body = parsePart(route, 'body', input.body);
  const url = new URL(`${baseUrl}${fillPath(route.path, params ?? {})}`);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (route.idempotent) headers['idempotency-key'] = input.idempotencyKey ?? makeKey();
  if (apiKey !== undefined && (route.access.kind === 'account' || route.access.kind === 'operator')) {
    headers['authorization'] = `Bearer ${apiKey}`;
  }
  return {
    operationId: route.operationId,
    method: route.method,
    url: url.href,
    path: `${url.pathname}${url.search}`,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers,
    timeoutMs: (input.timeoutMs ?? DEFAULT_TIMEOUT_MS) + serverWaitMs(query),
    signal: input.signal,
  };
}

/** How long the market itself may hold the answer back. */
function serverWaitMs(query: Record<string, unknown> | undefined): number {
  if (query?.['waitFor'] === undefined) return 0;
  return typeof query['waitMs'] === 'number' ? query['waitMs'] : DEFAULT_WAIT_MS;
}

function parsePart(route: Route, part: 'params' | 'query' | 'body', value: unknown): unknown {
  const schema = route[part];
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = [part, ...(issue?.path ?? [])].map(String).join('.');
  throw new CeliumError('BAD_REQUEST', `${route.operationId}: ${field}: ${issue?.message ?? 'its form is wrong'}`);
}

function parseReply(route: Route, json: unknown): unknown {
  const parsed = route.reply.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CeliumError(
    'DOCUMENT_UNKNOWN',
    `The market's answer to ${route.operationId} is not of the form that this client knows: ${(issue?.path ?? []).map(String).join('.') || 'answer'}: ${issue?.message ?? 'its form is wrong'}.`,
  );
}

function fillPath(path: string, params: Record<string, string>): string {
  return path.replace(/:([A-Za-z]+)/g, (_, name: string) => encodeURIComponent(String(params[name])));
}

function checkBaseUrl(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new CeliumError('BAD_REQUEST', `${JSON.stringify(text)} is no address of a market: write http://host:port.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new CeliumError('BAD_REQUEST', `A market is reached over http or https, not ${url.protocol}`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function clockOf(json: unknown): unknown {
  const error = (json as { error?: { code?: unknown; details?: { clock?: unknown } } } | null)?.error;
  return error?.code === 'REQUEST_EXPIRED' ? error.details?.clock : undefined;
}

function parseJson(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Doubles with each attempt; jitter keeps many clients from coming back at the same instant. */
function backoffMs(attempt: number): number {
  const random = (globalThis.crypto.getRandomValues(new Uint32Array(1))[0] as number) / 2 ** 32;
  return Math.round(FIRST_RETRY_MS * 2 ** (attempt - 1) * (0.5 + random));
}
