/** The market as a program: `celium serve`. Progress on stdout, one JSON object a line; logs on stderr; ends cleanly on SIGTERM. */
import { CeliumError, ERRORS, crashAt, errorBody, type ProgressEvent } from '@celium/contract';
import { connectChain, signDocument, toHex, verifyDocument, type KeyPair } from '@celium/chain';
import { pino, type Logger } from 'pino';
import { readArguments, type MarketArguments } from './arguments.ts';
import { namedDatabaseFault } from './database/market-database.ts';
import { migrateDatabase } from './database/migrate.ts';
import { ensureDatabaseServer, type DatabaseServer } from './database/server.ts';
import { watchServer } from './database/server-watch.ts';
import { postJson } from './hand-overs/post-json.ts';
import { makeValidatorReader } from './hand-overs/validators.ts';
import { hashSecret } from './http/access.ts';
import { logOptions, logSink } from './log-options.ts';
import { openMarket, type Market } from './market.ts';
import { makePermitReader } from './permits.ts';
import { makeSshProbe } from './rentals/ssh-probe.ts';
import { namedFileFault, openStateFolder, type StateFolder } from './state-folder.ts';
import { systemClock, systemRandomness } from './system-ports.ts';

/** A stop that takes longer than this is forced: everything durable is in PostgreSQL already. */
const STOP_TIMEOUT_MS = 15_000;

const undo: Array<() => Promise<void> | void> = [];
/** What a failing step was working at, for faults that do not say so themselves. */
let place = '';

try {
  await run(process.argv.slice(2));
} catch (fault) {
  await fail(fault);
}

async function run(args: readonly string[]): Promise<void> {
  const options = readArguments(args);
  const crashHere = crashAt(process.env['CELIUM_CRASH_AT'], () => process.kill(process.pid, 'SIGKILL'));
  const log = pino(logOptions(), logSink(pino.destination(2)));
  place = options.stateDir;
  const state = openStateFolder(options.stateDir, systemRandomness);
  undo.push(() => state.release());
  const database = await openDatabaseServer(options);
  const watch = watchServer(database, () => openDatabaseServer(options), { clock: systemClock(), log });
  undo.push(() => watch.stop());
  await step('bring the database to the present schema', () => migrateDatabase(database.url));
  const market = await openWith(options, { state, database, log, crashHere });
  undo.push(() => market.stop());
  await warmUp(state.key);
  const url = await listen(market, options);
  endOnSignals(log);
  print({
    event: 'ready',
    url,
    pid: process.pid,
    publicKey: toHex(state.key.publicKey),
    operatorKeyFile: state.operatorKeyFile,
    database: { kind: database.kind },
  });
}

async function openWith(
  options: MarketArguments,
  parts: { state: StateFolder; database: DatabaseServer; log: Logger; crashHere: ReturnType<typeof crashAt> },
): Promise<Market> {
  const clock = systemClock();
  const chain = connectChain(options.chainUrl);
  undo.push(() => chain.close());
  return openMarket({
    databaseUrl: parts.database.url,
    netuid: options.netuid,
    allowPrivate: options.allowPrivate,
    receiptAgeMs: options.receiptAgeMs,
    secret: parts.state.secret,
    operatorKeyHash: hashSecret(parts.state.operatorKey),
    ports: {
      clock,
      randomness: systemRandomness,
      probe: makeSshProbe({ allowPrivate: options.allowPrivate }),
      hasPermit: makePermitReader(() => chain.neurons(), clock),
      validators: makeValidatorReader(() => chain.neurons(), clock, { allowPrivate: options.allowPrivate }),
      postJson,
      key: parts.state.key,
      log: parts.log,
      crashHere: parts.crashHere,
    },
  });
}

function openDatabaseServer(options: MarketArguments): Promise<DatabaseServer> {
  return ensureDatabaseServer({
    databaseUrl: process.env['DATABASE_URL'],
    stateDir: options.stateDir,
    progress: print,
    ...(options.embeddedPostgres ? { force: 'embedded' as const } : {}),
  });
}

async function listen(market: Market, { host, port }: MarketArguments): Promise<string> {
  try {
    return await market.listen(host, port);
  } catch (fault) {
    const { code } = fault as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new CeliumError('PORT_IN_USE', `another program listens on ${host}:${port}`, { cause: fault });
    if (code === 'EACCES') throw new CeliumError('NOT_ROOT', `ports below 1024 need root: ${port}`, { cause: fault });
    if (code === 'EADDRNOTAVAIL')
      throw new CeliumError('USAGE', `--host: ${host} is no address of this machine`, { cause: fault });
    throw fault;
  }
}

/** Compiles the signature code before the first renter waits for it. */
async function warmUp(key: KeyPair): Promise<void> {
  const body = { height: 0, hash: '0'.repeat(64), atMs: 0 };
  for (let round = 0; round < 8; round += 1) verifyDocument('log-head', await signDocument('log-head', body, key));
}

function endOnSignals(log: Logger): void {
  let stopping = false;
  const stop = (signal: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'the market stops');
    setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
    void rollBack().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** Takes back what was opened, the last first. */
async function rollBack(): Promise<void> {
  for (const act of undo.toReversed()) {
    try {
      await act();
    } catch (fault) {
      process.stderr.write(`while stopping: ${String(fault)}\n`);
    }
  }
}

async function fail(fault: unknown): Promise<never> {
  await rollBack();
  const named = namedFileFault(namedDatabaseFault(fault), place);
  if (!(named instanceof CeliumError))
    process.stderr.write(`${fault instanceof Error ? fault.stack : String(fault)}\n`);
  const { code, message, remedy } = errorBody(named).error;
  print({ event: 'error', code, message, remedy });
  process.exit(ERRORS[code].exit);
}

async function step<Answer>(name: string, work: () => Promise<Answer>): Promise<Answer> {
  const startedMs = performance.now();
  print({ event: 'step', name, status: 'start' });
  const answer = await work();
  print({ event: 'step', name, status: 'done', ms: Math.round(performance.now() - startedMs) });
  return answer;
}

function print(event: ProgressEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
