/** OpenAPI 3.1, printed from the contract's route table: the document and the server cannot disagree. */
import { ERRORS, ROUTES, type Access, type OperationId, type Route } from '@celium/contract';
import { z } from 'zod';

type Json = Record<string, unknown>;

/** The whole document; the same table gives the same bytes. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const id of Object.keys(ROUTES) as OperationId[]) {
    const route = ROUTES[id] as Route;
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    const operations = (paths[path] ??= {});
    operations[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Celium market',
      version: '1',
      description:
        'Rent GPUs by the second. Money is in micro-dollars, 64-bit and larger numbers are decimal strings, times are unix milliseconds.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths,
    components: { securitySchemes: SECURITY_SCHEMES, schemas: { Error: ERROR_SCHEMA } },
  };
}

const SECURITY_SCHEMES: Json = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of an account: `cel_live_...`.' },
  operatorKey: { type: 'http', scheme: 'bearer', description: 'The key of the market’s operator: `cel_op_...`.' },
  signedRequest: {
    type: 'apiKey',
    in: 'header',
    name: 'x-celium-signature',
    description:
      'A signed request (headers x-celium-key, -signature, -nonce, -expires, -audience) by a hotkey with a validator permit.',
  },
};

const ERROR_SCHEMA: Json = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'remedy'],
      properties: {
        code: { type: 'string', enum: Object.keys(ERRORS) },
        message: { type: 'string' },
        remedy: { type: 'string' },
        details: { type: 'object' },
      },
    },
  },
};

function operationOf(route: Route): Json {
  const operation: Json = {
    operationId: route.operationId,
    summary: route.summary,
    security: securityOf(route.access),
    'x-rate-class': route.rateClass,
    parameters: parametersOf(route),
    responses: {
      [route.status]: {
        description: 'Done.',
        content: { 'application/json': { schema: schemaOf(route.reply, 'output') } },
      },
      default: {
        description: 'Refused or failed; `error.code` says why, `error.remedy` what to do.',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
  if (route.body !== undefined) {
    operation['requestBody'] = {
      required: true,
      content: { 'application/json': { schema: schemaOf(route.body, 'input') } },
    };
  }
  return operation;
}

function securityOf(access: Access): Json[] {
  switch (access.kind) {
    case 'public':
      return [];
    case 'account':
      return [{ apiKey: [access.scope] }];
    case 'operator':
      return [{ operatorKey: [] }];
    case 'validator':
      return [{ signedRequest: [] }];
  }
}

function parametersOf(route: Route): Json[] {
  const parameters: Json[] = [];
  const add = (place: 'path' | 'query', schema: z.ZodType | undefined): void => {
    if (schema === undefined) return;
    const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
      properties?: Record<string, Json>;
      required?: string[];
    };
    for (const [name, of] of Object.entries(properties)) {
      parameters.push({ name, in: place, required: place === 'path' || required.includes(name), schema: of });
    }
  };
  add('path', route.params);
  add('query', route.query);
  if (route.idempotent) {
    parameters.push({
      name: 'idempotency-key',
      in: 'header',
      required: false,
      description: 'The same key with the same request gives the first answer again, for 24 hours.',
      schema: { type: 'string', minLength: 8, maxLength: 128 },
    });
  }
  return parameters;
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io,
    unrepresentable: 'any',
  }) as Json;
  return rest;
}
