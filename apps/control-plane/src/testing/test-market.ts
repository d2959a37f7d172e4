/** A market for tests: the real one over a real PostgreSQL, with a clock that can be moved on and a network that can be cut. */
import {
  ROUTES,
  crashAt,
  type CrashHere,
  type OperationId,
  type Receipt,
  type Rental,
  type Route,
  type Routes,
} from '@celium/contract';
import { keyFromUri, signDocument, signRequest, toHex, type KeyPair } from '@celium/chain';
import { randomBytes, randomUUID } from 'node:crypto';
import { pino, type Logger } from 'pino';
import type { z } from 'zod';
import { migrateDatabase } from '../database/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../database/testing.ts';
import { postJson } from '../hand-overs/post-json.ts';
import { hashSecret } from '../http/access.ts';
import type { ReplyOf } from '../http/handlers.ts';
import { openMarket, type Market, type MarketOptions } from '../market.ts';
import type { ProbeAnswer, ValidatorAddress } from '../ports.ts';
import { systemRandomness } from '../system-ports.ts';
import { FakeAgent, makeProvider, type AgentOptions, type FakeProvider } from './fake-agent.ts';
import { TestClock } from './test-clock.ts';

export const OPERATOR_KEY = 'cel_op_of_the_tests_0123456789';
/** A valid ed25519 public key line. */
export const SSH_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKzSYRBf7zAvAyHp+5NZjo2Hr7lX3U0b2y0W0m0KqZtM';

export interface Answer<Id extends OperationId> {
  status: number;
  headers: Headers;
  body: ReplyOf<Routes[Id]>;
  /** The error's code, or null. */
  code: string | null;
}

export interface CallOptions {
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: unknown;
  key?: string;
  idempotencyKey?: string;
  headers?: Record<string, string>;
}

export interface Renter {
  key: string;
  email: string;
  accountId: string;
}

export class TestMarket {
  readonly clock = new TestClock();
  readonly validator: KeyPair = keyFromUri('//validator');
  readonly permits = new Set<string>([this.validator.ss58]);
  readonly key = keyFromUri('//market');
  readonly secret = 'secret of the tests, long enough for what signs with it';
  readonly #database: TestDatabase;
  readonly #log: Logger;
  #market: Market | null = null;
  #agents: FakeAgent[] = [];
  url = '';
  /** How old a unit's receipt may be at its hand-over; null for what its class allows. Taken in by `open`. */
  receiptAgeMs: number | null = null;
  /** Validators that the chain names. */
  validators: ValidatorAddress[] = [];
  /** What the market's probes find. */
  probeAnswer: ProbeAnswer = { ok: true };
  probes = 0;

  private constructor(database: TestDatabase, log: Logger) {
    this.#database = database;
    this.#log = log;
  }

  static async start(
    log = pino({ level: process.env['CELIUM_LOG'] ?? 'silent' }, pino.destination(2)),
  ): Promise<TestMarket> {
    const market = new TestMarket(await createTestDatabase(migrateDatabase), log);
    await market.open();
    return market;
  }

  get marketKey(): string {
    return toHex(this.key.publicKey);
  }

  get market(): Market {
    if (this.#market === null) throw new Error('the market is not open');
    return this.#market;
  }

  /** Opens the market, again after `crash` or `stop`. */
  async open(crashHere: CrashHere = crashAt(undefined, () => undefined)): Promise<void> {
    this.#market = await openMarket(this.#options(crashHere));
    this.url = await this.#market.listen('127.0.0.1', 0);
  }

  /** Another replica of this market over the same database; close it with `stop`. */
  async openReplica(): Promise<{ url: string; stop(): Promise<void> }> {
    const replica = await openMarket(this.#options(crashAt(undefined, () => undefined)));
    return { url: await replica.listen('127.0.0.1', 0), stop: () => replica.stop() };
  }

  #options(crashHere: CrashHere): MarketOptions {
    return {
      databaseUrl: this.#database.url,
      netuid: 51,
      allowPrivate: true,
      receiptAgeMs: this.receiptAgeMs,
      secret: this.secret,
      operatorKeyHash: hashSecret(OPERATOR_KEY),
      ports: {
        clock: this.clock,
        randomness: systemRandomness,
        probe: async () => {
          this.probes += 1;
          return this.probeAnswer;
        },
        hasPermit: async (hotkey) => this.permits.has(hotkey),
        validators: async () => this.validators,
        postJson,
        key: this.key,
        log: this.#log,
        crashHere,
      },
    };
  }

  async stop(): Promise<void> {
    await this.#market?.stop();
    this.#market = null;
  }

  async close(): Promise<void> {
    for (const agent of this.#agents) agent.close();
    await this.stop();
    await this.#database.drop();
  }

  /** Calls a route of the contract over HTTP. */
  async call<Id extends OperationId>(id: Id, options: CallOptions = {}): Promise<Answer<Id>> {
    const route = ROUTES[id] as Route;
    let path = route.path;
    for (const [name, value] of Object.entries(options.params ?? {}))
      path = path.replace(`:${name}`, encodeURIComponent(value));
    const query = new URLSearchParams(options.query ?? {}).toString();
    const headers: Record<string, string> = { ...options.headers };
    if (options.key !== undefined) headers['authorization'] = `Bearer ${options.key}`;
    if (options.idempotencyKey !== undefined) headers['idempotency-key'] = options.idempotencyKey;
    if (options.body !== undefined) headers['content-type'] = 'application/json';
    const response = await fetch(`${this.url}${path}${query === '' ? '' : `?${query}`}`, {
      method: route.method,
      headers,
      ...(options.body === undefined
        ? {}
        : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const body: unknown = await response.json();
    const code = (body as { error?: { code?: string } }).error?.code ?? null;
    return {
      status: response.status,
      headers: response.headers,
      body: body as z.output<Routes[Id]['reply']> as never,
      code,
    };
  }

  /** Calls as the operator. */
  operator<Id extends OperationId>(id: Id, options: CallOptions = {}): Promise<Answer<Id>> {
    return this.call(id, { ...options, key: OPERATOR_KEY });
  }

  /** A new account with an SSH key and credit. */
  async newRenter(creditMicroUsd = 1_000_000n): Promise<Renter> {
    const email = `renter-${randomUUID().slice(0, 8)}@example.org`;
    const session = await this.call('signUp', { body: { email, password: 'a long enough password' } });
    if (session.status !== 201) throw new Error(JSON.stringify(session.body));
    const renter = { key: session.body.apiKey, email, accountId: session.body.accountId };
    await this.call('addSshKey', { key: renter.key, body: { name: 'test', publicKey: SSH_KEY } });
    if (creditMicroUsd > 0n) {
      await this.operator('grantCredit', { body: { email, amountMicroUsd: String(creditMicroUsd) } });
    }
    return renter;
  }

  /** A connected agent whose `welcome` is in. */
  async connectAgent(options: Partial<AgentOptions> = {}): Promise<FakeAgent> {
    const agent = await FakeAgent.connect({
      url: this.url,
      marketKey: this.marketKey,
      provider: options.provider ?? makeProvider(),
      now: () => this.clock.now(),
      ...options,
    });
    this.#agents.push(agent);
    await agent.expect('welcome');
    return agent;
  }

  /** Publishes a receipt for a machine; a pass of now unless changed. */
  async publishReceipt(
    provider: FakeProvider,
    changes: Partial<Receipt> = {},
    signer = this.validator,
  ): Promise<Answer<'publishReceipt'>> {
    const receipt = await signDocument('receipt', receiptBody(provider, signer, this.clock.now(), changes), signer);
    return this.asValidator('publishReceipt', { receipt }, signer);
  }

  /** Calls a route with a signed request. */
  async asValidator<Id extends OperationId>(
    id: Id,
    body: unknown,
    signer = this.validator,
    audience = this.marketKey,
  ): Promise<Answer<Id>> {
    const route = ROUTES[id] as Route;
    const text = JSON.stringify(body);
    const clock = { now: () => this.clock.now(), randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
    const headers = await signRequest({ method: route.method, path: route.path, body: text, audience }, signer, clock);
    return this.call(id, { body: text, headers });
  }

  /** A verified, connected machine and the id of its offer. */
  async newOffer(options: Partial<AgentOptions> = {}): Promise<{ agent: FakeAgent; offerId: string }> {
    const agent = await this.connectAgent(options);
    const units = options.changes?.units ?? [`cpu:${agent.provider.machineId}`];
    for (const unit of units) await this.publishReceipt(agent.provider, { unit });
    return { agent, offerId: await this.offerOf(agent.provider) };
  }

  /** The id of the open offer of a machine. */
  async offerOf(provider: FakeProvider): Promise<string> {
    const { body } = await this.call('listOffers', { query: { rentable: 'false', limit: '1000' } });
    const offer = body.offers.find((listed) => listed.machineKey === toHex(provider.machineKey.publicKey));
    if (offer === undefined) throw new Error('the machine has no offer');
    return offer.offerId;
  }

  /** Rents and brings the rental to `running`. */
  async run(
    renter: Renter,
    offer: { agent: FakeAgent; offerId: string },
  ): Promise<{ rental: Rental; grant: Awaited<ReturnType<FakeAgent['grant']>> }> {
    const rented = await this.call('createRental', { key: renter.key, body: { offerId: offer.offerId } });
    if (rented.status !== 201) throw new Error(JSON.stringify(rented.body));
    const { rentalId } = rented.body;
    const known = offer.agent.frames.length;
    const frame = await offer.agent.expect(
      'lease-request',
      (candidate) => offer.agent.frames.indexOf(candidate) >= known - 1,
    );
    const grant = await offer.agent.grant(frame.request);
    offer.agent.say(offer.agent.status(grant, 'ready', 0));
    const { body } = await this.call('getRental', {
      key: renter.key,
      params: { rentalId },
      query: { waitFor: 'running', waitMs: '10000' },
    });
    return { rental: body, grant };
  }
}

/** The body of a receipt of a machine: a pass that began a second ago, unless changed. */
export function receiptBody(
  provider: FakeProvider,
  signer: KeyPair,
  nowMs: number,
  changes: Partial<Receipt>,
): Receipt {
  return {
    receiptId: randomUUID(),
    validator: signer.ss58,
    hotkey: provider.hotkey.ss58,
    machineId: provider.machineId,
    machineKey: toHex(provider.machineKey.publicKey),
    unit: `cpu:${provider.machineId}`,
    grantHash: '1'.repeat(64),
    hostKeyHash: '2'.repeat(64),
    barrierId: '',
    blockNumber: 1,
    blockHash: '3'.repeat(64),
    params: 'cgp1/params/1:cpu-demo',
    onboarding: true,
    transcriptHash: '4'.repeat(64),
    verdict: 'pass',
    reason: { code: 'OK', message: '' },
    measured: {
      class: 'CPU',
      workPerSecond: 1,
      memoryBytes: 1,
      sweepBytesPerSecond: 1,
      walkHopsPerSecond: 1,
      int8OpsPerSecond: 1,
      proofMs: 1,
      deadlineMs: 2,
      rttMs: 0.1,
    },
    tested: 1,
    leased: 0,
    startedAtMs: nowMs - 1_000,
    endedAtMs: nowMs,
    ...changes,
  };
}
