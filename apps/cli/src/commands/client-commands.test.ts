/** What a renter types and what comes back, word for word, against a real HTTP server. */

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CeliumError, ERROR_CODES, ERRORS } from '@celium/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { credentialsPath, readCredentials, saveLogin } from '../settings/credentials.ts';
import { startMarketServer, type Answers, type MarketServer } from '../testing/market-server.ts';
import { SAMPLE_BILL, SAMPLE_OFFER, SAMPLE_TIME_MS, sampleRental } from '../testing/samples.ts';
import { runCelium, type TestRun, type TestTerminal } from '../testing/terminal.ts';

let home = '';
let market: MarketServer | null = null;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'celium-cli-'));
});

afterEach(async () => {
  await market?.close();
  market = null;
  rmSync(home, { recursive: true });
});

async function celium(argv: string[], answers: Answers, terminal: Partial<TestTerminal> = {}): Promise<TestRun> {
  market = await startMarketServer(answers);
  saveLogin(join(home, 'config'), market.url, { email: 'me@example.org', apiKey: 'cel_live_test' });
  return await runCelium(argv, { home, isTerminal: true, ...terminal });
}

test('ls prints a table on a terminal, without what would steer it', async () => {
  const run = await celium(['ls'], { listOffers: () => ({ offers: [SAMPLE_OFFER] }) });
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout).toMatchInlineSnapshot(`
    "OFFER     CLASS  FREE    PRICE  CORES    MEMORY  LOCATION       VERIFIED   ONLINE  MACHINE
    3f2a9c1e  CPU     1/1  $0.36/h      2  24.00 GB  Helsinki?[31m  1 min ago  yes     rack-7
    "
  `);
});

test('ls prints JSON in a pipe, and asks for what the flags say', async () => {
  const run = await celium(
    ['ls', '--class', 'CPU', '--max-price', '0.50'],
    { listOffers: () => ({ offers: [SAMPLE_OFFER] }) },
    { isTerminal: false },
  );
  expect(JSON.parse(run.stdout)).toEqual([SAMPLE_OFFER]);
  expect(market?.calls[0]?.query).toEqual({
    rentable: 'true',
    class: 'CPU',
    maxPriceMicroUsdPerUnitHour: '500000',
    limit: '200',
  });
});

test('an empty list says what to do', async () => {
  const run = await celium(['ls'], { listOffers: () => ({ offers: [] }) });
  expect(run.stdout).toMatchInlineSnapshot(`
    "Nothing can be rented now. \`celium ls -a\` also shows what is taken, offline or not verified.
    "
  `);
});

test('ps prints running pods with their price, cost and address', async () => {
  const rental = await sampleRental();
  const ended = await sampleRental({
    rentalId: '88b0aa10-51b4-4a53-9a55-0b6b1f1f2b55',
    state: 'ended',
    endReason: 'pod-died',
    endedAtMs: SAMPLE_TIME_MS,
  });
  const run = await celium(['ps', '-a'], { listRentals: () => ({ rentals: [rental, ended] }) });
  expect(market?.calls[0]).toMatchObject({ apiKey: 'cel_live_test', query: { all: 'true' } });
  expect(run.stdout).toMatchInlineSnapshot(`
    "POD       STATE             CLASS  UNITS    PRICE     UP    COST  IMAGE                 SSH
    77b0aa10  running           CPU        1  $0.36/h  1 min  $0.006  celium/base:bookworm  root@127.0.0.1:20001
    88b0aa10  ended (pod-died)  CPU        1  $0.36/h  1 min  $0.006  celium/base:bookworm  -
    "
  `);
});

test('up shows the price, asks, rents the cheapest at no higher price, and says how to log in', async () => {
  const rental = await sampleRental();
  const run = await celium(
    ['up', '-e', 'TOKEN=a=b', '-p', '8080'],
    { listOffers: () => ({ offers: [SAMPLE_OFFER] }), createRental: () => rental },
    { answers: [true] },
  );
  expect(run.asked).toEqual([
    'Rent CPU on rack-7 for $0.36 an hour, billed by the second? The owner of this machine can read its memory and disk.',
  ]);
  expect(market?.calls[1]?.body).toEqual({
    offerId: SAMPLE_OFFER.offerId,
    pod: { env: { TOKEN: 'a=b' }, ports: [8080], volumeBytes: 0 },
    maxPriceMicroUsdPerUnitHour: '360000',
    moveOn: ['check-failed'],
  });
  expect(run.stdout).toMatchInlineSnapshot(`
    "77b0aa10 is ready after 2.0 s: $0.36 an hour
      port 8080 is at 127.0.0.1:20002
      celium ssh 77b0aa10    log in
      celium rm 77b0aa10     stop it
    "
  `);
});

test('up follows a rental whose machine failed its check to the one that took over', async () => {
  const next = await sampleRental({ movedFrom: '66b0aa10-51b4-4a53-9a55-0b6b1f1f2b55' });
  const failed = await sampleRental({
    rentalId: '66b0aa10-51b4-4a53-9a55-0b6b1f1f2b55',
    state: 'ended',
    endReason: 'check-failed',
    detail: 'the check before the hand-over failed: LATE; nothing was charged',
    movedTo: next.rentalId,
  });
  const run = await celium(['up', '--yes'], {
    listOffers: () => ({ offers: [SAMPLE_OFFER] }),
    createRental: () => failed,
    getRental: ({ params }) => (params['rentalId'] === next.rentalId ? next : failed),
  });
  expect(run.status).toBe(0);
  expect(run.stderr).toContain(
    '66b0aa10 on rack-7 is not handed over: the check before the hand-over failed: LATE; nothing was charged. It goes on as 77b0aa10.',
  );
  expect(run.stdout).toMatch(/^77b0aa10 is ready/);
});

test('up of a named offer moves nowhere: a failed check says why and what next', async () => {
  const failed = await sampleRental({ state: 'ended', endReason: 'check-failed', detail: 'the check failed: LATE' });
  const run = await celium(['up', '3f2a', '--yes'], {
    listOffers: () => ({ offers: [SAMPLE_OFFER] }),
    createRental: () => failed,
  });
  expect(market?.calls.at(-1)?.body).not.toHaveProperty('moveOn');
  expect(run.status).toBe(ERRORS.POD_START_FAILED.exit);
  expect(run.stderr).toContain('the check failed: LATE');
  expect(run.stderr).toContain('celium up');
});

test('up rents nothing when the answer is no', async () => {
  const run = await celium(['up'], { listOffers: () => ({ offers: [SAMPLE_OFFER] }) }, { answers: [false] });
  expect(run.status).toBe(ERRORS.USAGE.exit);
  expect(market?.calls.map((call) => call.operationId)).toEqual(['listOffers']);
});

test('up takes the next offer of the same price when the first is taken at that moment', async () => {
  const rental = await sampleRental();
  const second = { ...SAMPLE_OFFER, offerId: '99999999-51b4-4a53-9a55-0b6b1f1f2b11' };
  const run = await celium(['up', '--yes', '--detach'], {
    listOffers: () => ({ offers: [SAMPLE_OFFER, second] }),
    createRental: ({ body }) => {
      if ((body as { offerId: string }).offerId === SAMPLE_OFFER.offerId) throw new CeliumError('OFFER_TAKEN');
      return rental;
    },
  });
  expect(run.status).toBe(0);
  expect(market?.calls.map((call) => call.operationId)).toEqual(['listOffers', 'createRental', 'createRental']);
});

test('a start that fails says why and that it cost nothing', async () => {
  const starting = await sampleRental({ state: 'starting' });
  const failed = await sampleRental({ state: 'ended', endReason: 'start-failed', detail: 'no such image' });
  const run = await celium(['up', '3f2a', '--yes'], {
    listOffers: () => ({ offers: [SAMPLE_OFFER] }),
    createRental: () => starting,
    getRental: () => failed,
  });
  expect(run.status).toBe(ERRORS.POD_START_FAILED.exit);
  expect(run.stderr).toContain(
    'ended before it was ready (start-failed): no such image. Nothing was charged for the start.',
  );
});

test('rm takes the beginning of an id, waits for the end, and tells the cost', async () => {
  const rental = await sampleRental();
  const run = await celium(
    ['rm', '77b0'],
    {
      listRentals: () => ({ rentals: [rental] }),
      stopRental: () => ({ ...rental, state: 'stopping' }),
      getRental: () => ({ ...rental, state: 'ended', endReason: 'renter-stopped' }),
    },
    { answers: [true] },
  );
  expect(run.asked).toEqual(['Stop 77b0aa10? What is on its disk is lost.']);
  expect(run.stdout).toBe('77b0aa10 ended: $0.006 for 1 min\n');
});

test('the beginning of an id that fits two pods is refused with both', async () => {
  const rental = await sampleRental();
  const other = await sampleRental({ rentalId: '77b0bb20-51b4-4a53-9a55-0b6b1f1f2b55' });
  const run = await celium(['bill', '77b0'], { listRentals: () => ({ rentals: [rental, other] }) });
  expect(run.status).toBe(ERRORS.BAD_REQUEST.exit);
  expect(run.stderr).toContain('"77b0" fits 2 of them');
});

test('bill shows billed and free seconds with reasons, and the ledger with its sum', async () => {
  const rental = await sampleRental();
  const line = (account: string, amountMicroUsd: string) => ({
    transferId: '55555555-51b4-4a53-9a55-0b6b1f1f2b11',
    atMs: SAMPLE_TIME_MS,
    kind: 'settlement',
    account,
    amountMicroUsd,
    rentalId: rental.rentalId,
  });
  const run = await celium(['bill', '77b0', '--ledger'], {
    listRentals: () => ({ rentals: [rental] }),
    getBill: () => SAMPLE_BILL,
    listLedger: () => ({
      lines: [line('renter:held:77b0aa10', '-5825'), line('provider:pending:5F', '5243'), line('platform:fee', '582')],
    }),
  });
  expect(run.stdout).toMatchInlineSnapshot(`
    "pod                77b0aa10-51b4-4a53-9a55-0b6b1f1f2b55
    state              ended (renter-stopped)
    class              CPU
    price              $0.36 an hour
    rented (UTC)       2026-09-21 14:12:18
    ready (UTC)        2026-09-21 14:12:20
    ended (UTC)        2026-09-21 14:13:20
    billed             58.250 s
    free               2 s: the pod was starting
    charged            $0.005825
      to the provider  $0.005243
      fee              $0.000582

    TIME (UTC)           TRANSFER  KIND        ACCOUNT                   AMOUNT
    2026-09-21 14:13:20  55555555  settlement  platform:fee           $0.000582
    2026-09-21 14:13:20  55555555  settlement  provider:pending:5F    $0.005243
    2026-09-21 14:13:20  55555555  settlement  renter:held:77b0aa10  -$0.005825
                                               sum                        $0.00
    "
  `);
});

test('balance and logs: words on a terminal, text stays text in a pipe', async () => {
  const balance = await celium(['balance'], {
    getBalance: () => ({ availableMicroUsd: '9994175', heldMicroUsd: '0' }),
  });
  expect(balance.stdout).toMatchInlineSnapshot(`
    "available      $9.994175
    held for pods  $0.00
    "
  `);
  await market?.close();
  const rental = await sampleRental();
  const logs = await celium(
    ['logs', '77b0', '--tail', '5'],
    { listRentals: () => ({ rentals: [rental] }), getLogs: () => ({ text: 'one\ntwo' }) },
    { isTerminal: false },
  );
  expect(logs.stdout).toBe('one\ntwo\n');
  expect(market?.calls[1]?.query).toEqual({ tail: '5' });
  await market?.close();
  const answers = {
    listRentals: () => ({ rentals: [rental] }),
    getLogs: () => ({ text: 'epoch 1\u001b]0;owned\u0007\nloss\t0.3\u009b2J' }),
  };
  const shown = await celium(['logs', '77b0'], answers, { isTerminal: true });
  expect(shown.stdout).toBe('epoch 1?]0;owned?\nloss\t0.3?2J\n');
});

test('signup keeps the key in a file that only its owner can read', async () => {
  market = await startMarketServer({
    signUp: () => ({ accountId: SAMPLE_OFFER.offerId, email: 'new@example.org', apiKey: 'cel_live_new', scopes: [] }),
  });
  const run = await runCelium(['signup', '--market', market.url, '--email', 'new@example.org', '--password-stdin'], {
    home,
    isTerminal: true,
    stdin: 'correct horse battery\n',
  });
  expect(run.status).toBe(0);
  expect(market.calls[0]?.body).toEqual({ email: 'new@example.org', password: 'correct horse battery' });
  const config = join(home, 'config');
  expect(readCredentials(config)).toMatchObject({
    current: market.url,
    markets: { [market.url]: { apiKey: 'cel_live_new' } },
  });
  expect(statSync(credentialsPath(config)).mode & 0o777).toBe(0o600);
  expect(run.stdout + run.stderr).not.toContain('cel_live_new');
});

test('who is not logged in, or cannot be asked, reads which flag or command helps', async () => {
  const stranger = await runCelium(['ps'], { home });
  expect(stranger.status).toBe(ERRORS.UNAUTHENTICATED.exit);
  expect(stranger.stderr).toContain('celium login');
  const piped = await runCelium(['login', '--email', 'a@example.org'], { home });
  expect(piped.status).toBe(ERRORS.USAGE.exit);
  expect(piped.stderr).toContain('--password-stdin');
});

test('keys add refuses what is no public key before anything is sent', async () => {
  const run = await celium(['keys', 'add', '-'], {}, { stdin: '-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n' });
  expect(run.status).toBe(ERRORS.BAD_SSH_KEY.exit);
  expect(market?.calls).toEqual([]);
  expect(run.stderr).not.toContain('secret');
});

test('keys add --new makes a key that celium ssh will use', async () => {
  const run = await celium(['keys', 'add', '--new', '--name', 'laptop', '--json'], {
    addSshKey: ({ body }) => ({
      id: SAMPLE_OFFER.offerId,
      name: (body as { name: string }).name,
      fingerprint: 'SHA256:x',
      publicKey: (body as { publicKey: string }).publicKey,
      createdAtMs: 1,
    }),
  });
  expect(run.status).toBe(0);
  expect(JSON.parse(run.stdout).publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+$/);
  expect(statSync(join(home, 'config/ssh/id_ed25519')).mode & 0o777).toBe(0o600);
});

test('every error code of the table has its own exit status, words and remedy', async () => {
  const statuses = new Set<number>();
  let code: (typeof ERROR_CODES)[number] = 'INTERNAL';
  market = await startMarketServer({
    getBalance: () => {
      throw new CeliumError(code, `about ${code}`);
    },
  });
  saveLogin(join(home, 'config'), market.url, { email: 'me@example.org', apiKey: 'k' });
  for (code of ERROR_CODES) {
    const run = await runCelium(['balance'], { home });
    expect(run.status).toBe(ERRORS[code].exit);
    expect(run.stderr).toBe(
      `error: about ${code}\n  why: ${ERRORS[code].meaning}\n   do: ${ERRORS[code].remedy}\n code: ${code} (exit ${ERRORS[code].exit})\n`,
    );
    statuses.add(run.status);
  }
  expect(statuses.size).toBe(ERROR_CODES.length);
});

test('with --json an error is one JSON object on stderr', async () => {
  const run = await celium(['balance', '--json'], {
    getBalance: () => {
      throw new CeliumError('NO_BALANCE', 'too little');
    },
  });
  expect(run.stdout).toBe('');
  expect(JSON.parse(run.stderr)).toEqual({
    error: { code: 'NO_BALANCE', message: 'too little', remedy: ERRORS.NO_BALANCE.remedy },
  });
});
