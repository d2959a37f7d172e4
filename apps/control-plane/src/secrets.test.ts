/** Secrets stay where they are: searched for, as canaries, in everything that a market logs and in every error it answers. */
import { Writable } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { logOptions } from './log-options.ts';
import { OPERATOR_KEY, TestMarket } from './testing/test-market.ts';

let text = '';
const sink = new Writable({
  write(chunk: Buffer, _encoding, done) {
    text += chunk.toString('utf8');
    done();
  },
});
let market: TestMarket;
beforeAll(async () => {
  market = await TestMarket.start(pino({ ...logOptions(), level: 'trace' }, sink));
});
afterAll(() => market.close());

test('no password, API key, operator key or secret is logged or answered, whatever goes wrong', async () => {
  const email = `canary-${randomUUID()}@example.org`;
  const password = `pass-${randomUUID()}`;
  const answers: string[] = [];
  const keep = async (answer: Promise<{ body: unknown }>): Promise<void> =>
    void answers.push(JSON.stringify((await answer).body));
  const session = await market.call('signUp', { body: { email, password } });
  const { apiKey } = session.body;
  await keep(market.call('signUp', { body: { email, password } }));
  await keep(market.call('logIn', { body: { email, password: `${password}-wrong` } }));
  await keep(market.call('logIn', { body: { email: 'no address', password } }));
  await keep(market.call('logIn', { body: `{"email":"${email}","password":"${password}"` }));
  await keep(market.call('getLogs', { key: apiKey, params: { rentalId: randomUUID() } }));
  await keep(market.call('grantCredit', { key: apiKey, body: { email, amountMicroUsd: '1' } }));
  await keep(market.call('addSshKey', { key: apiKey, body: { name: 'x', publicKey: password } }));
  await keep(market.operator('grantCredit', { body: { email, amountMicroUsd: '-1' } }));
  await market.market.database.pool.query('alter table ssh_keys rename to ssh_keys_gone');
  await keep(market.call('listSshKeys', { key: apiKey }));
  await market.market.database.pool.query('alter table ssh_keys_gone rename to ssh_keys');

  expect(answers.some((answer) => answer.includes('INTERNAL'))).toBe(true);
  expect(text).toContain('a request failed');
  for (const secret of [password, apiKey, OPERATOR_KEY, market.secret]) {
    expect(text.includes(secret)).toBe(false);
    expect(answers.some((answer) => answer.includes(secret))).toBe(false);
  }
});
