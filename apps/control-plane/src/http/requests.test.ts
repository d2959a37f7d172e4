/** Who may call what, how often, and that a request has one effect however often it comes. */
import { ROUTES, type OperationId, type Route } from '@celium/contract';
import { keyFromUri, signRequest } from '@celium/chain';
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SSH_KEY, TestMarket, type Renter } from '../testing/test-market.ts';
import { PATIENCE } from '../testing/patience.ts';

let market: TestMarket;
let alice: Renter;
let bob: Renter;
beforeAll(async () => {
  market = await TestMarket.start();
  [alice, bob] = await Promise.all([market.newRenter(), market.newRenter()]);
});
afterAll(() => market.close());

/** Something of the right form for each route, so that only the caller decides. */
const EXAMPLES: Partial<Record<OperationId, { params?: Record<string, string>; body?: unknown }>> = {
  signUp: { body: { email: 'x', password: 'y' } },
  logIn: { body: { email: 'x', password: 'y' } },
  addSshKey: { body: { name: 'other', publicKey: SSH_KEY } },
  removeSshKey: { params: { keyId: randomUUID() } },
  grantCredit: { body: { email: 'nobody@example.org', amountMicroUsd: '1' } },
  getOffer: { params: { offerId: randomUUID() } },
  listReceipts: { params: { machineKey: 'a'.repeat(64) } },
  publishReceipt: { body: {} },
  createRental: { body: { offerId: randomUUID() } },
  getRental: { params: { rentalId: randomUUID() } },
  stopRental: { params: { rentalId: randomUUID() } },
  getBill: { params: { rentalId: randomUUID() } },
  getLogs: { params: { rentalId: randomUUID() } },
};

describe('every route lets in only whom its rule names', () => {
  const routes = Object.entries(ROUTES) as Array<[OperationId, Route]>;
  test.each(routes.filter(([, route]) => route.access.kind !== 'public'))('%s', async (id, route) => {
    const example = EXAMPLES[id] ?? {};
    const callers = [
      ['anonymous', {}],
      ['a key of nobody', { key: `cel_live_${'0'.repeat(64)}` }],
      ['a renter', { key: alice.key }],
    ] as const;
    for (const [who, credentials] of callers) {
      const answer = await market.call(id, { ...example, ...credentials });
      const isLetIn = answer.status !== 401 && answer.status !== 403;
      expect({ who, isLetIn }).toEqual({ who, isLetIn: who === 'a renter' && route.access.kind === 'account' });
    }
    const operator = await market.operator(id, example);
    expect(operator.status !== 401).toBe(route.access.kind === 'operator');
    expect(operator.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(operator.headers.get('cache-control')).toBe('no-store');
  });
});

test('what is another account’s answers as if it did not exist', async () => {
  const offer = await market.newOffer();
  const { rental } = await market.run(alice, offer);
  const params = { rentalId: rental.rentalId };
  for (const id of ['getRental', 'getBill', 'getLogs', 'stopRental'] as const) {
    expect((await market.call(id, { key: bob.key, params })).code).toBe('NOT_FOUND');
  }
  const keys = await market.call('listSshKeys', { key: alice.key });
  const keyId = keys.body.keys[0]?.id ?? '';
  expect((await market.call('removeSshKey', { key: bob.key, params: { keyId } })).code).toBe('NOT_FOUND');
  const lines = await market.call('listLedger', { key: bob.key, query: { rentalId: rental.rentalId } });
  expect(lines.body.lines).toEqual([]);
  expect((await market.call('getRental', { key: alice.key, params })).status).toBe(200);
});

test('a malformed request is refused with the field that is wrong', async () => {
  const answer = await market.call('grantCredit', { body: { email: 'no address', amountMicroUsd: '1' } });
  expect(answer.code).toBe('UNAUTHENTICATED');
  const asOperator = await market.operator('grantCredit', { body: { email: 'no address', amountMicroUsd: '1' } });
  expect(asOperator.code).toBe('BAD_REQUEST');
  expect(JSON.stringify(asOperator.body)).toContain('body.email');
  expect((await market.call('signUp', { body: '{"email":' })).code).toBe('BAD_REQUEST');
  const unknown = await fetch(`${market.url}/v1/nothing`);
  expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
});

describe('an idempotency key', () => {
  const credit = (amountMicroUsd: string, idempotencyKey: string) =>
    market.operator('grantCredit', { body: { email: bob.email, amountMicroUsd }, idempotencyKey });
  const balance = async (): Promise<bigint> =>
    BigInt((await market.call('getBalance', { key: bob.key })).body.availableMicroUsd);

  test('gives a repeated request the first answer and no second effect', async () => {
    const key = randomUUID();
    const before = await balance();
    const first = await credit('500', key);
    const second = await credit('500', key);
    expect([first.status, second.body]).toEqual([201, first.body]);
    expect(await balance()).toBe(before + 500n);
  });

  test('gives ten requests at once one effect and one answer', async () => {
    const key = randomUUID();
    const before = await balance();
    const answers = await Promise.all(Array.from({ length: 10 }, () => credit('30', key)));
    expect(new Set(answers.map((answer) => answer.body.transferId)).size).toBe(1);
    expect(await balance()).toBe(before + 30n);
  });

  test('used for another request is refused', async () => {
    const key = randomUUID();
    await credit('1', key);
    const other = await credit('2', key);
    expect([other.status, other.code]).toEqual([422, 'IDEMPOTENCY_MISMATCH']);
  });

  test('is forgotten after a day, and after a refusal, which had no effect', async () => {
    const key = randomUUID();
    const body = { name: 'bad', publicKey: 'ssh-dss AAAA' };
    expect((await market.call('addSshKey', { key: bob.key, body, idempotencyKey: key })).code).toBe('BAD_SSH_KEY');
    const email = `later-${randomUUID()}@example.org`;
    const grant = () => market.operator('grantCredit', { body: { email, amountMicroUsd: '9' }, idempotencyKey: key });
    expect((await grant()).code).toBe('NOT_FOUND');
    await market.call('signUp', { body: { email, password: 'a long enough password' } });
    expect((await grant()).body.availableMicroUsd).toBe('9');
    market.clock.advance(24 * 3_600_000 + 1);
    expect((await grant()).body.availableMicroUsd).toBe('18');
  });

  test('of a wrong form is refused', async () => {
    expect((await credit('1', 'short')).code).toBe('BAD_REQUEST');
  });
});

describe('people', () => {
  const password = 'a long enough password';

  test('sign up once per e-mail address, whatever its case, and log in with the password only', async () => {
    const email = `Person-${randomUUID()}@Example.org`;
    const first = await market.call('signUp', { body: { email, password } });
    expect(first.body).toMatchObject({ email: email.toLowerCase() });
    expect(first.body.apiKey).toMatch(/^cel_live_[0-9a-f]{64}$/);
    expect((await market.call('signUp', { body: { email: email.toLowerCase(), password } })).code).toBe('EMAIL_TAKEN');
    const session = await market.call('logIn', { body: { email, password } });
    expect(session.body.accountId).toBe(first.body.accountId);
    expect(session.body.apiKey).not.toBe(first.body.apiKey);
    const wrong = await market.call('logIn', { body: { email, password: `${password}!` } });
    const nobody = await market.call('logIn', { body: { email: `no-${email}`, password } });
    expect([wrong.code, nobody.code]).toEqual(['BAD_CREDENTIALS', 'BAD_CREDENTIALS']);
    const me = await market.call('getAccount', { key: session.body.apiKey });
    expect(me.body.email).toBe(email.toLowerCase());
  });

  test('have five tries at a password in 15 minutes, and read when to try again', async () => {
    const email = `guess-${randomUUID()}@example.org`;
    const attempt = () => market.call('logIn', { body: { email, password: 'wrong password' } });
    for (let tries = 0; tries < 5; tries += 1) expect((await attempt()).code).toBe('BAD_CREDENTIALS');
    const sixth = await attempt();
    expect([sixth.status, sixth.code]).toEqual([429, 'RATE_LIMITED']);
    expect(Number(sixth.headers.get('retry-after'))).toBeGreaterThan(880);
    market.clock.advance(15 * 60_000);
    expect((await attempt()).code).toBe('BAD_CREDENTIALS');
  });
});

test('an SSH key is stored as type and base64 with its fingerprint; the same key twice and garbage are refused', async () => {
  const renter = await market.newRenter(0n);
  const { body } = await market.call('listSshKeys', { key: renter.key });
  expect(body.keys).toMatchObject([
    { publicKey: SSH_KEY, fingerprint: expect.stringMatching(/^SHA256:[A-Za-z0-9+/]{43}$/) },
  ]);
  const again = await market.call('addSshKey', {
    key: renter.key,
    body: { name: 'x', publicKey: `${SSH_KEY} me@here` },
  });
  expect(again.code).toBe('CONFLICT');
  for (const publicKey of ['', 'hello', 'command="x" ssh-ed25519 AAAA', `${SSH_KEY}\n${SSH_KEY}`]) {
    expect((await market.call('addSshKey', { key: renter.key, body: { name: 'x', publicKey } })).code).toBe(
      'BAD_SSH_KEY',
    );
  }
});

describe('a signed request of a validator', () => {
  const path = ROUTES.publishReceipt.path;
  const signed = async (options: { audience?: string; aheadMs?: number; path?: string } = {}) => {
    const body = '{"receipt":{}}';
    const clock = {
      now: () => market.clock.now() + (options.aheadMs ?? 0),
      randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    };
    const request = {
      method: 'POST',
      path: options.path ?? path,
      body,
      audience: options.audience ?? market.marketKey,
    };
    return { body, headers: await signRequest(request, market.validator, clock) };
  };

  test('is taken once: replayed it is refused, also by a market that was restarted meanwhile', async () => {
    const request = await signed();
    expect((await market.call('publishReceipt', request)).code).toBe('BAD_REQUEST');
    expect((await market.call('publishReceipt', request)).code).toBe('NONCE_REPLAYED');
    await market.stop();
    await market.open();
    expect((await market.call('publishReceipt', request)).code).toBe('NONCE_REPLAYED');
  });

  test('is refused for another audience, path, body, time or key', async () => {
    const foreign = await market.call('publishReceipt', await signed({ audience: 'f'.repeat(64) }));
    expect(foreign.code).toBe('AUDIENCE_WRONG');
    expect((await market.call('publishReceipt', await signed({ path: '/v1/market' }))).code).toBe('SIGNATURE_WRONG');
    const { headers } = await signed();
    expect((await market.call('publishReceipt', { headers, body: '{"receipt":{"x":1}}' })).code).toBe(
      'SIGNATURE_WRONG',
    );
    const expired = await market.call('publishReceipt', await signed({ aheadMs: -120_000 }));
    expect(expired.code).toBe('REQUEST_EXPIRED');
    expect(expired.body).toMatchObject({
      error: { details: { clock: { document: 'clock', signer: market.marketKey } } },
    });
    const stranger = await market.asValidator('publishReceipt', { receipt: {} }, keyFromUri('//stranger'));
    expect(stranger.code).toBe('KEY_NOT_DELEGATED');
  });

  test('when refused is published in the log', async () => {
    await market.call('publishReceipt', await signed({ audience: 'e'.repeat(64) }));
    await expect
      .poll(
        async () =>
          (await market.call('readLog', { query: { limit: '1000' } })).body.entries.map((entry) => entry.kind),
        PATIENCE,
      )
      .toContain('refused-signature');
  });
});

test('ten rents a minute are let through, the eleventh reads when to try again', async () => {
  const renter = await market.newRenter();
  const ask = () => market.call('createRental', { key: renter.key, body: { offerId: randomUUID() } });
  for (let tries = 0; tries < 10; tries += 1) expect((await ask()).code).toBe('OFFER_UNKNOWN');
  const eleventh = await ask();
  expect(eleventh.code).toBe('RATE_LIMITED');
  expect(Number(eleventh.headers.get('retry-after'))).toBeGreaterThan(0);
});

test('health and figures are there for whoever runs the market', async () => {
  expect((await fetch(`${market.url}/livez`)).status).toBe(200);
  expect((await fetch(`${market.url}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${market.url}/metrics`)).text()).toContain('celium_agents_connected');
});
