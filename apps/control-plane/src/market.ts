/** Composes one market process from its features: the only place that knows them all. Nothing here decides anything. */
import { toHex } from '@celium/chain';
import { LOOP_FEE_BASIS_POINTS } from '@celium/domain';
import type { FastifyInstance } from 'fastify';
import { findAccount, findApiKey } from './accounts/accounts.flow.ts';
import { accountRoutes } from './accounts/accounts.routes.ts';
import { openPeople } from './accounts/people.ts';
import { makeBilling } from './billing/billing.flow.ts';
import { billingRoutes } from './billing/billing.routes.ts';
import { openDatabase, type MarketDatabase } from './database/market-database.ts';
import { listenForNotices } from './database/notices.ts';
import { claimTick, readAbsence, startHousekeeping } from './housekeeping/housekeeping.worker.ts';
import { checkBeforeHandOver } from './hand-overs/hand-overs.flow.ts';
import { openHandOvers } from './hand-overs/hand-overs.worker.ts';
import { makeAuthenticate } from './http/access.ts';
import type { Handlers } from './http/handlers.ts';
import { forgetOldRequests, postgresNonces } from './http/memories.ts';
import { forgiveLogin } from './http/rates.ts';
import { buildServer } from './http/server.ts';
import { openPublicLog, type PublicLog } from './log/log.flow.ts';
import { logRoutes } from './log/log.routes.ts';
import { SESSION_CHANNEL, makeGateway } from './machines/gateway.ts';
import { machineRoutes } from './machines/machines.routes.ts';
import { listOffers, lockOffer } from './machines/offers.flow.ts';
import { AgentSessions } from './machines/sessions.ts';
import { makeMetrics } from './metrics.ts';
import { EFFECT_CHANNEL, forgetOldEffects, openOutbox, type Outbox } from './outbox/outbox.worker.ts';
import type { MarketPorts } from './ports.ts';
import type { MachineReceiptParts } from './machine-receipts/machine-receipts.flow.ts';
import { machineReceiptRoutes } from './machine-receipts/machine-receipts.routes.ts';
import type { ReceiptParts } from './receipts/receipts.flow.ts';
import { receiptRoutes } from './receipts/receipts.routes.ts';
import { agentEvents } from './rentals/agent-word.flow.ts';
import { carryOutEffect, dropSshKeyFromPods } from './rentals/commands.flow.ts';
import { startClockwork } from './rentals/clockwork.worker.ts';
import { HOST_KEY_WRONG, type RentalParts } from './rentals/parts.ts';
import { startProbing, type Absence, type Probing } from './rentals/probing.worker.ts';
import { takeStep } from './rentals/rentals.flow.ts';
import { rentalRoutes } from './rentals/rentals.routes.ts';
import { RENTAL_CHANNEL, RentalSignals } from './rentals/signals.ts';
import { stopExhausted, type LastProbe } from './rentals/stop.flow.ts';
import { listSshKeys } from './ssh-keys/ssh-keys.flow.ts';
import { sshKeyRoutes } from './ssh-keys/ssh-keys.routes.ts';
import { MARKET_VERSION } from './version.ts';

export interface MarketOptions {
  databaseUrl: string;
  netuid: number;
  allowPrivate: boolean;
  /** How old a unit's receipt may be at its hand-over, in milliseconds; null for what its class allows. */
  receiptAgeMs: number | null;
  /** Signs better-auth's tokens and the log's pseudonyms; stays in the state folder. */
  secret: string;
  /** SHA-256 of the operator's key. */
  operatorKeyHash: Buffer;
  ports: MarketPorts;
}

export interface Market {
  readonly server: FastifyInstance;
  readonly database: MarketDatabase;
  /** Starts to serve; answers the address. Throws EADDRINUSE as Node gives it. */
  listen(host: string, port: number): Promise<string>;
  /** Settles nothing, loses nothing: ends what is under way, and leaves the rest to the next start. */
  stop(): Promise<void>;
}

/** Builds a market over a migrated database; workers start at once, the API with `listen`. */
export async function openMarket(options: MarketOptions): Promise<Market> {
  const { ports } = options;
  const { clock, randomness } = ports;
  const database = openDatabase(options.databaseUrl);
  const replicaId = randomness.uuid();
  const stopping = new AbortController();
  const startedAt = clock.moment();
  const absence = { startedAt, awayMs: await readAbsence(database.db, startedAt) };
  const publicLog = openPublicLog(database, ports, options.secret);
  const sessions = new AgentSessions();
  const nonces = postgresNonces(database.db);
  const signals = new RentalSignals();
  const onRefusedSignature = (refusal: object): void => publicLog.publishRefusal(refusal);

  const { rentals, probing, outbox, handOvers } = composeRentals({
    options,
    database,
    replicaId,
    absence,
    publicLog,
    sessions,
    signals,
  });
  const heard = {
    [RENTAL_CHANNEL]: (rentalId: string) => signals.emit(rentalId),
    [EFFECT_CHANNEL]: () => outbox.wake(),
    [SESSION_CHANNEL]: (notice: string) => sessions.noteOpened(notice),
  };
  const listening = listenForNotices(options.databaseUrl, heard, ports);
  const lastProbe: LastProbe = (row, timeoutMs) => probing.probeOnce(row, timeoutMs);
  const clockwork = startClockwork({
    rentals,
    claimTick: (name, periodMs) => claimTick(database.db, name, clock.now(), periodMs),
    stopExhausted: (rentalId) => stopExhausted(rentals, lastProbe, rentalId),
  });
  const housekeeping = startHousekeeping(database, ports, [forgetOldRequests, forgetOldEffects]);
  const gatewayParts = {
    ...options,
    database,
    nonces,
    replicaId,
    sessions,
    events: agentEvents(rentals),
    onRefusedSignature,
  };
  const gateway = makeGateway(gatewayParts);
  const server = buildServer({
    handlers: composeHandlers(options, database, rentals, lastProbe),
    authenticate: makeAuthenticate({
      ports,
      nonces,
      operatorKeyHash: options.operatorKeyHash,
      findApiKey: (hash) => findApiKey(database.db, hash),
      onRefusedSignature,
    }),
    database,
    ports,
    stopping: stopping.signal,
    readiness: async () => {
      if (stopping.signal.aborted) return 'the market stops';
      return database.pool.query('select 1').then(
        () => null,
        () => 'PostgreSQL does not answer',
      );
    },
    metrics: makeMetrics({ agents: () => sessions.size, database }),
  });
  gateway.attach(server.server);
  return {
    server,
    database,
    listen: (host, port) => server.listen({ host, port }),
    stop: async () => {
      stopping.abort();
      // The server counts the agents' sockets among its connections: it closes only when they do.
      await Promise.all([server.close(), gateway.stop()]);
      await Promise.all([clockwork.stop(), housekeeping.stop(), probing.stop(), listening.stop()]);
      await Promise.all([outbox.stop(), handOvers.stop()]);
      await publicLog.stop();
      await database.close();
    },
  };
}

interface RentalNeeds {
  options: MarketOptions;
  database: MarketDatabase;
  replicaId: string;
  absence: Absence;
  publicLog: PublicLog;
  sessions: AgentSessions;
  signals: RentalSignals;
}

interface ComposedRentals {
  rentals: RentalParts;
  probing: Probing;
  outbox: Outbox;
  handOvers: ReturnType<typeof openHandOvers>;
}

function composeRentals(needs: RentalNeeds): ComposedRentals {
  const { database, replicaId, absence, publicLog, sessions, signals } = needs;
  const { ports } = needs.options;
  const outbox = openOutbox({
    database,
    ports,
    replicaId,
    isConnected: (machineKey) => sessions.isConnected(machineKey),
    carryOut: (effect, note) => carryOutEffect({ database, ports, links: sessions }, effect, note),
  });
  const probing = startProbing({
    database,
    ports,
    replicaId,
    absence,
    // The watch is built before the flows that it calls; it calls them only once something is watched.
    onProbed: async (rentalId, probe) =>
      void (await takeStep(rentals, rentalId, { probe, command: { type: 'probe-ready' } })),
    onUnprobed: async (rentalId, forMs) =>
      void (await takeStep(rentals, rentalId, { command: { type: 'unprobed', forMs } })),
    onMismatch: async (rentalId) => void (await takeStep(rentals, rentalId, { detail: HOST_KEY_WRONG })),
  });
  const receipts: ReceiptParts = { database, clock: ports.clock, publish: publicLog.publish };
  const handOvers = openHandOvers({
    database,
    ports,
    check: (rentalId, signal) => checkBeforeHandOver({ rentals, receipts }, rentalId, signal),
  });
  const rentals: RentalParts = {
    database,
    ports,
    billing: makeBilling(ports),
    outbox,
    links: sessions,
    publicLog,
    signals,
    probing,
    handOvers,
    feeBasisPoints: Number(LOOP_FEE_BASIS_POINTS),
    receiptAgeMs: needs.options.receiptAgeMs,
    listOffers,
    lockOffer,
    sshKeysOf: listSshKeys,
  };
  return { rentals, probing, outbox, handOvers };
}

function composeHandlers(
  options: MarketOptions,
  database: MarketDatabase,
  rentals: RentalParts,
  lastProbe: LastProbe,
): Handlers {
  const { ports } = options;
  const { clock, randomness } = ports;
  const people = openPeople(database.db, options.secret, randomness);
  const publish: MachineReceiptParts['publish'] = (tx, kind, body) => rentals.publicLog.publish(tx, kind, body);
  const facts = {
    publicKey: toHex(ports.key.publicKey),
    feeBasisPoints: rentals.feeBasisPoints,
    version: MARKET_VERSION,
    netuid: options.netuid,
  };
  return {
    ...accountRoutes({ database, people, clock, randomness }, (ip, email) => forgiveLogin(database.db, ip, email)),
    ...sshKeyRoutes(database, {
      clock,
      randomness,
      dropFromPods: (tx, accountId, keyId) => dropSshKeyFromPods(rentals, tx, accountId, keyId),
    }),
    ...billingRoutes(database, ports, async (db, email) => (await findAccount(db, { email }))?.accountId ?? null),
    ...machineRoutes(database, clock, facts),
    ...receiptRoutes({ database, clock, publish }),
    ...machineReceiptRoutes({ database, clock, publish }),
    ...rentalRoutes(rentals, lastProbe),
    ...logRoutes(rentals.publicLog),
  };
}
