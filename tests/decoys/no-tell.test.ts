/**
 * Nothing that a machine's owner can see tells a decoy from a renter before the first byte of a challenge: the same market, the same agent, one
 * renter with the CLI and one decoy, and everything that reaches the machine written down and compared.
 */

import { execFile, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { faultOfDisclosure, toHex } from '@celium/chain';
import { DECOY_ENTRIES, type DecoyCommitment, type DecoyDisclosure } from '@celium/contract';
import { demandOf } from '@celium/domain';
import { rentBody } from '@celium/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OPERATOR_KEY, TestMarket } from '../../apps/control-plane/src/testing/test-market.ts';
import { VALIDATOR } from '../../apps/validator/src/testing/check-bench.ts';
import type { OnShell } from '../../apps/validator/src/testing/recording-pod.ts';
import { makeClientKey } from '../../apps/validator/src/shell/client-key.ts';
import { Decoys } from '../../apps/validator/src/decoys/decoys.ts';
import { createSshShells } from '../../apps/validator/src/shell/ssh-shell.ts';
import { ROOT, until } from '../world.ts';
import { openDecoyValidator, type DecoyValidator } from './decoy-validator.ts';
import { MACHINE, TappedMachine, type SeenLease } from './tapped-machine.ts';

const run = promisify(execFile);
const CLI = 'apps/cli/src/main.ts';
const PROVER = join(ROOT, 'apps/validator/src/testing/cheating-prover.ts');
const PROVIDER = { hotkey: MACHINE, machineKey: MACHINE, machineId: 'm' };
const DAY_MS = 24 * 3_600_000;

const home = mkdtempSync(join(tmpdir(), 'celium-renter-'));
let market: TestMarket;
let machine: TappedMachine;
let validator: DecoyValidator;
const provers = new Set<ReturnType<typeof spawn>>();
let cheat = 'none';

/** A shell with a prompt; what is typed is echoed, and the prover's start replaces it by a prover. */
function shellOf(channel: Parameters<OnShell>[0]): void {
  let typed = '';
  let prover: ReturnType<typeof spawn> | null = null;
  channel.on('data', (chunk: Buffer) => {
    if (prover !== null) return void prover.stdin?.write(chunk);
    typed += chunk.toString('latin1');
    const start = typed.indexOf('/.celium/prover\n');
    if (start < 0) return void channel.write(chunk.toString('latin1').replace('\r', '\r\nroot@pod:~# '));
    prover = spawn(process.execPath, [PROVER, cheat], { stdio: ['pipe', 'pipe', 'ignore'] });
    provers.add(prover);
    prover.stdin?.on('error', () => {});
    // The first line would be the command of a real shell.
    prover.stdin?.write(typed.slice(start + '/.celium/prover\n'.length));
    prover.stdout?.on('data', (bytes: Buffer) => channel.write(bytes));
    prover.once('close', () => channel.end());
  });
  channel.once('close', () => prover?.kill('SIGKILL'));
}

beforeAll(async () => {
  market = await TestMarket.start();
  machine = new TappedMachine(shellOf);
  await machine.join(market);
  await until('the machine to be connected', 20_000, async () => {
    const answer = await market.publishReceipt(PROVIDER);
    if (answer.status !== 201) return false;
    const { body } = await market.call('listOffers');
    return body.offers.length === 1;
  });
  validator = openDecoyValidator(market.url, machine.machine);
});
afterAll(async () => {
  for (const prover of provers) prover.kill('SIGKILL');
  validator.bench.close();
  machine.close();
  await market.close();
  rmSync(home, { recursive: true, force: true });
});

/** The CLI as a person has it, in a folder of their own. */
async function celium(...args: string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    XDG_CONFIG_HOME: home,
    CELIUM_MARKET: market.url,
    CELIUM_PASSWORD: 'a long password',
  };
  const { stdout } = await run(process.execPath, [CLI, ...args], { cwd: ROOT, env, timeout: 60_000 });
  return stdout;
}

async function credit(email: string): Promise<void> {
  await market.call('grantCredit', { key: OPERATOR_KEY, body: { email, amountMicroUsd: '3000000' } });
}

/** Everything typed before the prover is started. */
function typedIn(lease: SeenLease): string {
  return (lease.pod.logins[0]?.typed ?? '').split('stty')[0] ?? '';
}

/** A renter with the same wishes, window and commands signs up, rents with `celium up`, logs in with `celium ssh` in a terminal, and leaves. */
async function asRenter(like: SeenLease): Promise<SeenLease> {
  const { columns = 0, rows = 0, terminal: name = '', variables = [] } = like.pod.logins[0] ?? {};
  const language = (variables.find((one) => one.startsWith('LANG=')) ?? 'LANG=').slice(5);
  const wishes = like.request.body.pod.ports.flatMap((port) => ['--port', String(port)]);
  await celium('signup', '--email', 'renter@example.com');
  await credit('renter@example.com');
  await celium('keys', 'add', '--new');
  const before = machine.requests.length;
  const lease = (): SeenLease => machine.leaseOf(machine.requests[before] as never);
  const rental = JSON.parse(await celium('up', '--yes', '--json', ...wishes)) as { rentalId: string };
  const env = {
    ...process.env,
    SHELL: '/bin/sh',
    TERM: name,
    LANG: language,
    HOME: home,
    XDG_CONFIG_HOME: home,
    CELIUM_MARKET: market.url,
    NODE: process.execPath,
    POD: rental.rentalId,
  };
  delete (env as Record<string, unknown>)['SSH_AUTH_SOCK'];
  const inTerminal = `stty rows ${rows} columns ${columns} iutf8 echo; exec "$NODE" ${CLI} ssh "$POD"`;
  const terminal = spawn('script', ['-q', '-f', '--echo', 'always', '-c', inTerminal, '/dev/null'], {
    cwd: ROOT,
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const closed = new Promise((resolve) => terminal.once('close', resolve));
  try {
    let words = '';
    terminal.stdout.on('data', (chunk: Buffer) => (words += chunk.toString('latin1')));
    await until('a prompt', 30_000, async () => words.includes('root@pod'));
    for (const key of typedIn(like)) terminal.stdin.write(key);
    await until('what was typed', 10_000, async () => (lease().pod.logins[0]?.typed ?? '') === typedIn(like));
  } finally {
    terminal.kill('SIGTERM');
    await closed;
  }
  await celium('rm', rental.rentalId);
  await untilFree();
  return lease();
}

/** One decoy of the validator, from its account to its end. */
async function asDecoy(): Promise<SeenLease> {
  const never = new AbortController().signal;
  const before = machine.requests.length;
  validator.advance(2_000);
  await validator.decoys.turn(never);
  await validator.decoys.settle();
  for (const account of validator.ports.accounts.usable(market.url)) await credit(account.email);
  validator.advance(2_000);
  await validator.decoys.turn(never);
  await validator.decoys.settle();
  await untilFree();
  return machine.leaseOf(machine.requests[before] as never);
}

async function untilFree(): Promise<void> {
  await until('the units to be free', 20_000, async () => {
    await machine.agent.clock.advance(1_000);
    const { body } = await market.call('listOffers', { query: { rentable: 'false' } });
    return body.offers[0]?.freeUnits === 1;
  });
}

/** Values that are random for everybody, or the time of day: replaced by their kind and length. */
function withoutRandomness(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((member) => withoutRandomness(member, name));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key.replace(/celium-[0-9a-f-]{36}/, 'celium-<uuid>'),
        withoutRandomness(member, key),
      ]),
    );
  if (['issuedAtMs', 'fence', 'marketTimeMs', 'org.celium.fence'].includes(name))
    return `<time of ${String(value).length} digits>`;
  if (typeof value !== 'string') return value;
  return value
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/pod-[0-9a-f]{8}/g, 'pod-<id>')
    .replace(/[0-9a-f]{128}/g, '<signature>')
    .replace(/AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/=]{43}/g, '<ed25519 key>');
}

/** The version line, and the list of algorithms without its 16 random bytes. */
function keyExchangeOf(clear: Buffer | undefined): { version: string; algorithms: string; next: number } {
  const bytes = clear ?? Buffer.alloc(0);
  const end = bytes.indexOf('\r\n');
  const packet = bytes.subarray(end + 2);
  const length = packet.readUInt32BE(0);
  const payload = packet.subarray(5, 4 + length - packet.readUInt8(4));
  return {
    version: bytes.subarray(0, end).toString('latin1'),
    algorithms: payload.subarray(17).toString('latin1'),
    // The message after it: the client's half of the key exchange.
    next: packet.subarray(4 + length).readUInt8(5),
  };
}

/** Everything that there is to see of a lease before its first challenge byte. */
function seenOf(lease: SeenLease): Record<string, unknown> {
  const { request, grant, container, keysLetIn, pod, frames } = lease;
  const login = pod.logins[0];
  return {
    frames: withoutRandomness(
      frames.slice(
        0,
        frames.findIndex((frame) => frame.type === 'gone-noted'),
      ),
    ),
    request: withoutRandomness(request),
    podDigest: request.body.podDigest,
    grant: withoutRandomness({
      ...grant.body,
      requestHash: '',
      ports: grant.body.ports.map(({ pod: inside }) => inside),
    }),
    container: withoutRandomness({
      ...container,
      body: {
        ...container.body,
        HostConfig: { ...(container.body['HostConfig'] as object), PortBindings: {}, NetworkMode: '' },
      },
    }),
    keysLetIn: withoutRandomness(keysLetIn),
    methods: pod.methods,
    offeredKeys: pod.offeredKeys,
    keyExchange: keyExchangeOf(pod.clear[0]),
    user: login?.user,
    window: [login?.columns, login?.rows, login?.terminal],
    variables: login?.variables,
    requests: login?.requests,
    typed: typedIn(lease),
  };
}

test('a decoy and a renter look the same to the machine; an announced check, seen in the same way, does not', async () => {
  const decoy = await asDecoy();
  const renter = await asRenter(decoy);
  expect(seenOf(decoy)).toEqual(seenOf(renter));

  const key = makeClientKey(randomBytes);
  decoy.pod.accepts.add(key.publicLine.split(' ')[1] ?? '');
  const announced = await createSshShells({ allowPrivate: true, randomBytes }).connect(
    { host: '127.0.0.1', port: decoy.pod.port, hostKey: decoy.grant.body.hostKey, clientKey: key },
    new AbortController().signal,
  );
  if ('close' in announced) announced.close();
  const told = keyExchangeOf(decoy.pod.clear.at(-1));
  const hidden = keyExchangeOf(renter.pod.clear[0]);
  expect(hidden.version).toMatch(/^SSH-2\.0-OpenSSH_/);
  expect(told.version).not.toBe(hidden.version);
  expect(told.algorithms).not.toBe(hidden.algorithms);
});

test('a machine that gives renters less is not sold, however well it does in announced checks', async () => {
  cheat = 'skip';
  market.permits.add(VALIDATOR.ss58);
  await asDecoy();
  cheat = 'none';
  const failed = validator.ports.receipts.newest(1);
  expect(failed[0]?.body).toMatchObject({ lease: 'paid', verdict: 'fail', reason: { code: 'skipped-work' } });
  expect((await market.asValidator('publishReceipt', { receipt: failed[0] }, VALIDATOR)).status).toBe(201);
  await market.publishReceipt(PROVIDER, {}, VALIDATOR);
  expect((await market.call('listOffers', { query: { rentable: 'false' } })).body.offers[0]?.verdict).toBe('fail');
  expect((await market.call('listOffers')).body.offers).toEqual([]);
});

test('decoys pay their bills, use an account once, and leave nothing running', async () => {
  const checked = validator.lines.filter((line) => line['event'] === 'decoy');
  expect(checked.map((line) => line['outcome'])).toEqual(checked.map(() => 'CHECKED'));
  expect(JSON.stringify(checked[0])).toContain('"verdict":"pass"');
  expect(validator.ports.book.open()).toEqual([]);
  expect(validator.rests.length).toBeGreaterThanOrEqual(8);
  // Every account that was logged in to is used up.
  const file = JSON.parse(readFileSync(join(validator.bench.folder, 'decoys/accounts.json'), 'utf8')) as Array<{
    state: string;
  }>;
  expect(file.filter(({ state }) => state === 'spent')).toHaveLength(checked.length);
  expect(statSync(join(validator.bench.folder, 'decoys/accounts.json')).mode & 0o777).toBe(0o600);
});

test('a decoy that a crash left rented is ended by the next start, and counts as one', async () => {
  await market.publishReceipt(PROVIDER, { lease: 'paid', endedAtMs: market.clock.now() + 30_000 }, VALIDATOR);
  const { accounts, book, connect } = validator.ports;
  const account = await accounts.make(connect, market.url, 'example.org', Date.now());
  await credit(account.email);
  const offer = (await connect(market.url).call('listOffers')).offers[0];
  if (offer === undefined) throw new Error('nothing to rent');
  const body = rentBody(offer, {});
  const { machineKey, hotkey } = offer;
  const decoyId = randomUUID();
  const decoy = { decoyId, accountId: account.id, marketUrl: market.url, machineKey, hotkey, body };
  await book.noteRenting(decoy, 1n, Date.now());
  await connect(market.url, account.apiKey).call('createRental', { body, idempotencyKey: decoyId });
  const restarted = new Decoys({ ...validator.ports, settings: { ...validator.ports.settings, ratePerMachineDay: 0 } });
  await until('the decoy to be ended', 30_000, async () => {
    await machine.agent.clock.advance(1_000);
    await restarted.turn(new AbortController().signal);
    return book.open().length === 0;
  });
  await untilFree();
});

test('a day later the log shows what was committed to, the receipt reaches the log, and none of it is demand', async () => {
  const { receipts } = validator.ports;
  const kinds = (): string[] => receipts.logEntries(1, 1_000).map((entry) => entry.kind);
  // Only the failure has not waited.
  expect(kinds().filter((kind) => kind === 'receipt')).toHaveLength(1);
  validator.advance(2 * 3_600_000);
  validator.decoys.publish();
  expect(kinds()).toContain(DECOY_ENTRIES.commitment);
  expect(kinds()).not.toContain(DECOY_ENTRIES.disclosure);
  validator.advance(DAY_MS + 3_600_000);
  validator.decoys.publish();
  const entries = receipts.logEntries(1, 1_000);
  const bodies = <Body>(kind: string): Body[] =>
    entries.filter((entry) => entry.kind === kind).map((entry) => entry.body as Body);
  const commitments = bodies<DecoyCommitment>(DECOY_ENTRIES.commitment);
  const disclosures = bodies<DecoyDisclosure>(DECOY_ENTRIES.disclosure);
  for (const disclosure of disclosures) {
    const committed = commitments.find(({ period }) => period === disclosure.period);
    expect(committed === undefined ? 'no commitment' : faultOfDisclosure(committed, disclosure)).toBeNull();
  }
  const decoys = disclosures.flatMap((disclosure) => disclosure.decoys);
  expect(decoys.map(({ outcome }) => outcome).toSorted()).toEqual(['CHECKED', 'CHECKED', 'GIVEN_UP']);
  const shown = decoys.flatMap(({ receipts: own }) => own.map(({ body }) => body.verdict));
  expect(shown.toSorted()).toEqual(['fail', 'pass']);
  expect(kinds().filter((kind) => kind === 'receipt')).toHaveLength(2);
  expect(decoys[0]?.facts.market).toBe(toHex(market.key.publicKey));

  const { rows } = await market.market.database.pool.query(
    'select rental_id, ended_at_ms, charged_micro_usd from rentals',
  );
  const revenue = (rows as Array<Record<string, string>>).map((row) => ({
    rentalId: String(row['rental_id']),
    endedAtMs: Number(row['ended_at_ms']),
    chargedMicroUsd: BigInt(row['charged_micro_usd'] ?? 0),
  }));
  expect(revenue).toHaveLength(decoys.length + 1);
  const disclosed = new Set(decoys.map(({ facts }) => facts.rentalId));
  const later = Date.now() + 3 * DAY_MS;
  const renters = revenue.filter(({ rentalId }) => !disclosed.has(rentalId));
  expect(renters).toHaveLength(1);
  expect(demandOf(revenue, disclosed, later, 0)).toBe(renters[0]?.chargedMicroUsd);
});
