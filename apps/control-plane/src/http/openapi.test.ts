/** The committed OpenAPI document is the one that the route table prints, and names every route with its rule. */
import { readFileSync } from 'node:fs';
import { ROUTES, type Route } from '@celium/contract';
import { expect, test } from 'vitest';
import { openApiDocument } from './openapi.ts';
import { OPENAPI_FILE, printOpenApi } from './print-openapi.ts';

test('packages/contract/openapi.json is current: else run `node apps/control-plane/src/http/print-openapi.ts`', () => {
  expect(readFileSync(OPENAPI_FILE, 'utf8')).toBe(printOpenApi());
});

test('every route is in the document, with who may call it and whether it may be repeated', () => {
  const { paths } = openApiDocument() as { paths: Record<string, Record<string, Operation>> };
  for (const route of Object.values(ROUTES) as Route[]) {
    const operation = paths[route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}')]?.[route.method.toLowerCase()];
    expect(operation?.operationId).toBe(route.operationId);
    expect(operation?.security.length === 0).toBe(route.access.kind === 'public');
    const names = operation?.parameters.map((parameter) => parameter.name) ?? [];
    expect(names.includes('idempotency-key')).toBe(route.idempotent);
    for (const [, name] of route.path.matchAll(/:([A-Za-z]+)/g)) expect(names).toContain(name);
  }
});

interface Operation {
  operationId: string;
  security: unknown[];
  parameters: Array<{ name: string }>;
}
