/** The route table: every route says who may call it, and nothing in it is ambiguous. */
import { expect, test } from 'vitest';
import { SCOPES, type Access, type Route } from './define-route.ts';
import { ROUTES } from './table.ts';

const routes = Object.entries(ROUTES as Record<string, Route>);

const accessOf = (access: Access): string => (access.kind === 'account' ? `account ${access.scope}` : access.kind);

test.each(routes)('%s declares who may call it', (_name, { access }) => {
  expect(['public', 'account', 'operator', 'validator']).toContain(access?.kind);
  if (access.kind === 'account') expect(SCOPES).toContain(access.scope);
});

test.each(routes)('%s has one name, a path of the first version, and a sentence', (name, route) => {
  expect(route.operationId).toBe(name);
  expect(route.path).toMatch(/^(\/v1(\/[a-z-]+|\/:[a-zA-Z]+)+)$/);
  expect(route.summary).toMatch(/^[A-Z].+\.$/);
  const named = [...route.path.matchAll(/:([a-zA-Z]+)/g)].map((match) => match[1]);
  expect(Object.keys((route.params as { shape?: object } | undefined)?.shape ?? {})).toEqual(named);
});

test('no two routes answer the same request', () => {
  const requests = routes.map(([, { method, path }]) => `${method} ${path.replaceAll(/:[a-zA-Z]+/g, ':')}`);
  expect(new Set(requests).size).toBe(requests.length);
});

test.each(routes.filter(([, { method }]) => method === 'GET'))(
  '%s reads only: it has no body and no idempotency key',
  (_name, route) => {
    expect(route.body).toBeUndefined();
    expect(route.idempotent).toBe(false);
    expect(route.status).toBe(200);
  },
);

test('what costs money or makes something can be repeated safely', () => {
  const unsafe = routes.filter(
    ([, { method, idempotent, access }]) => method === 'POST' && !idempotent && access.kind !== 'public',
  );
  // A receipt is named by its own id, so publishing it twice is publishing it once.
  expect(unsafe.map(([name]) => name)).toEqual(['publishReceipt', 'publishMachineReceipt']);
});

test('a pod spec that asks for more than the allow-list has is refused by the name of the field', () => {
  const body = (ROUTES.createRental as Route).body;
  const rent = { offerId: '00000000-0000-4000-8000-000000000001' };
  expect(body?.parse(rent)).toEqual({ ...rent, pod: { env: {}, ports: [], volumeBytes: 0 } });
  for (const field of ['privileged', 'devices', 'mounts', 'capAdd', 'networkMode', 'sysctls', 'runtime']) {
    const asked = body?.safeParse({ ...rent, pod: { [field]: true } });
    expect(JSON.stringify(asked?.error?.issues)).toContain(field);
  }
});

test('the table is the one that people read', async () => {
  const lines = routes.map(([name, { method, path, access, rateClass, idempotent, status }]) =>
    [
      method.padEnd(6),
      path.padEnd(42),
      String(status),
      accessOf(access).padEnd(21),
      rateClass.padEnd(5),
      (idempotent ? 'idempotent' : '').padEnd(10),
      name,
    ].join(' '),
  );
  await expect(`${lines.toSorted().join('\n')}\n`).toMatchFileSnapshot('../../golden/routes.txt');
});
