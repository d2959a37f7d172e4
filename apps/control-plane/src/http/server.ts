/** The HTTP server: mounts every route of the contract's table with its access rule, rate class and idempotency, and the health routes. */
import {
  CeliumError,
  ERRORS,
  ROUTES,
  errorBody,
  parseStrangersJson,
  type ErrorCode,
  type OperationId,
  type Route,
} from '@celium/contract';
import { printableJson } from '@celium/domain';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { namedDatabaseFault, type MarketDatabase } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import type { Authenticate } from './access.ts';
import type { Call, Caller, Handlers } from './handlers.ts';
import { readIdempotencyKey, runOnce } from './idempotency.ts';
import { openApiDocument } from './openapi.ts';
import { countRequest } from './rates.ts';

/** The header that names a request in answers and logs. */
export const REQUEST_ID_HEADER = 'x-request-id';
const MAX_BODY_BYTES = 1_310_720;
const REQUEST_TIMEOUT_MS = 90_000;

export interface ServerParts {
  handlers: Handlers;
  authenticate: Authenticate;
  database: MarketDatabase;
  ports: MarketPorts;
  /** Fires when the market stops: waiting calls are answered at once. */
  stopping: AbortSignal;
  /** Null when the market can serve, else why not. */
  readiness(): Promise<string | null>;
  metrics(): Promise<{ contentType: string; text: string }>;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller;
    rawBody: Buffer | null;
    receivedBody: unknown;
  }
}

/** Builds the server; nothing listens yet. */
export function buildServer(parts: ServerParts): FastifyInstance {
  const server = Fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    genReqId: () => parts.ports.randomness.uuid(),
    routerOptions: { maxParamLength: 200 },
  });
  server.decorateRequest('caller');
  server.decorateRequest('rawBody', null);
  server.decorateRequest('receivedBody', null);
  // Offers, rentals and receipts hold what providers and validators wrote.
  server.setReplySerializer((payload) => printableJson(JSON.stringify(payload)));
  server.setValidatorCompiler(validatorCompiler);
  readBodies(server);
  server.addHook('onRequest', async (request, reply) => {
    // Answers hold keys and balances: nobody in between may keep them, nor read them as anything but JSON.
    reply.headers({
      [REQUEST_ID_HEADER]: request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
  });
  server.setErrorHandler((fault, request, reply) => answerFault(parts, fault, request, reply));
  server.setNotFoundHandler((request, reply) => {
    const error = new CeliumError(
      'NOT_FOUND',
      `there is no ${request.method} ${request.url.split('?')[0]}: see /openapi.json`,
    );
    return answerFault(parts, error, request, reply);
  });
  for (const id of Object.keys(ROUTES) as OperationId[]) mountRoute(server, parts, id);
  mountHealth(server, parts);
  const document = openApiDocument();
  server.get('/openapi.json', async (_request, reply) => reply.send(document));
  return server;
}

function readBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    request.rawBody = body;
    if (body.length === 0) return done(null, undefined);
    try {
      request.receivedBody = parseStrangersJson(body.toString('utf8'));
      done(null, request.receivedBody);
    } catch {
      done(new CeliumError('BAD_REQUEST', 'the body is no JSON'), undefined);
    }
  });
}

function mountRoute(server: FastifyInstance, parts: ServerParts, id: OperationId): void {
  const route = ROUTES[id] as Route;
  // One place where the types of all routes meet: the table pairs each handler with its own schemas.
  const handler = parts.handlers[id] as unknown as (call: Call<Route>) => Promise<unknown>;
  const schema: Record<string, z.ZodType> = {};
  if (route.params !== undefined) schema['params'] = route.params;
  if (route.query !== undefined) schema['querystring'] = route.query;
  if (route.body !== undefined) schema['body'] = route.body;
  server.route({
    method: route.method,
    url: route.path,
    schema,
    preValidation: async (request) => {
      request.caller = await parts.authenticate(route.access, request);
      const email = (request.body as { email?: unknown } | undefined)?.email;
      await countRequest(parts.database.db, parts.ports.clock.now(), {
        rateClass: route.rateClass,
        caller: request.caller,
        ip: request.ip,
        email: typeof email === 'string' ? email : null,
      });
    },
    handler: async (request, reply) => {
      const answer = await handler(makeCall(parts, route, request, reply));
      const checked = route.reply.safeParse(answer);
      if (!checked.success) {
        throw new CeliumError('INTERNAL', undefined, {
          internal: `${id} answered out of form: ${checked.error.message}`,
        });
      }
      // What was checked is sent as it is: a schema drops fields that it does not know, and signatures cover them.
      return reply
        .code(route.status)
        .type('application/json; charset=utf-8')
        .send(printableJson(JSON.stringify(answer)));
    },
  });
}

function makeCall(parts: ServerParts, route: Route, request: FastifyRequest, reply: FastifyReply): Call<Route> {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const { caller } = request;
  return {
    params: request.params as never,
    query: request.query as never,
    body: request.body as never,
    receivedBody: request.receivedBody,
    caller,
    ip: request.ip,
    signal: AbortSignal.any([gone.signal, parts.stopping]),
    once: async (work) => {
      const key = route.idempotent ? readIdempotencyKey(request.headers['idempotency-key']) : null;
      if (key === null) return parts.database.transaction(work);
      const asked = {
        operationId: route.operationId,
        params: request.params,
        query: request.query,
        body: request.body,
      };
      const whose = { caller: nameOfCaller(caller), idempotencyKey: key };
      return runOnce(parts.database, parts.ports.clock.now(), { ...whose, ...asked }, work);
    },
  };
}

function nameOfCaller(caller: Caller): string {
  switch (caller.kind) {
    case 'account':
      return `account:${caller.accountId}`;
    case 'validator':
      return `validator:${caller.hotkey}`;
    case 'operator':
    case 'public':
      return caller.kind;
  }
}

function mountHealth(server: FastifyInstance, parts: ServerParts): void {
  server.get('/livez', async () => ({ ok: true }));
  server.get('/readyz', async (_request, reply) => {
    const fault = await parts.readiness();
    return reply.code(fault === null ? 200 : 503).send(fault === null ? { ok: true } : { ok: false, why: fault });
  });
  server.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await parts.metrics();
    return reply.type(contentType).send(text);
  });
}

function answerFault(parts: ServerParts, fault: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = namedFault(fault);
  const code: ErrorCode = error instanceof CeliumError ? error.code : 'INTERNAL';
  const status = ERRORS[code].status;
  if (status >= 500) {
    const internal = error instanceof CeliumError ? error.internal : undefined;
    parts.ports.log.error(
      { err: fault, internal, requestId: request.id, route: request.routeOptions.url },
      'a request failed',
    );
  } else {
    parts.ports.log.info({ code, requestId: request.id, route: request.routeOptions.url }, 'a request was refused');
  }
  const retryAfter = error instanceof CeliumError ? error.details?.['retryAfterSeconds'] : undefined;
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(retryAfter));
  return reply
    .code(status)
    .header(REQUEST_ID_HEADER, request.id)
    .type('application/json; charset=utf-8')
    .send(errorBody(error));
}

function namedFault(fault: unknown): unknown {
  if (fault instanceof CeliumError) return fault;
  const { validation, validationContext, statusCode, code } = fault as {
    validation?: Array<{ instancePath?: string; message?: string }>;
    validationContext?: string;
    statusCode?: number;
    code?: string;
  };
  if (Array.isArray(validation)) {
    const first = validation[0];
    const where = `${validationContext ?? 'request'}${(first?.instancePath ?? '').replaceAll('/', '.')}`;
    return new CeliumError('BAD_REQUEST', `${where}: ${first?.message ?? 'of a wrong form'}`);
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new CeliumError(
      'BAD_REQUEST',
      code === 'FST_ERR_CTP_BODY_TOO_LARGE' ? `a body has at most ${MAX_BODY_BYTES} bytes` : undefined,
    );
  }
  return namedDatabaseFault(fault);
}
