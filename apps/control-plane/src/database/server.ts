/** The database server to use: DATABASE_URL, else PostgreSQL of this machine, else the embedded one, started by us. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CeliumError } from '@celium/contract';
import pg from 'pg';
import { chooseAccount, isReachable, type ServerAccount } from './server-account.ts';
import { findBinaries, oldestMajor } from './server-binaries.ts';
import { holdLock, takeLock } from './server-lock.ts';
import {
  describeFailure,
  findRunningServer,
  initialiseData,
  isServerReady,
  makeFolder,
  readDataMajor,
  serverRole,
  startServer,
  stopServer,
  type ServerPlace,
} from './server-process.ts';

const SOCKET_PATH_LIMIT = 107;
const SOCKET_NAME = '/.s.PGSQL.5432';
const CONNECT_TIMEOUT_MS = 10_000;
const LOCK_TIMEOUT_MS = 180_000;
const databaseName = 'celium';

/** One event of one step, as in packages/contract's progress events. */
export type ServerProgress = (event: {
  event: 'step';
  name: string;
  status: 'start' | 'progress' | 'done' | 'failed';
  detail?: string;
  ms?: number;
}) => void;

/**
 * `stateDir`: the market's state folder; data, password and log live in `stateDir/postgres`, or, where the server's
 * account cannot enter it, in /var/lib/celium/postgres-<random>. `force` skips the order of choice.
 * `durable: false` is for tests only: no fsync.
 */
export type DatabaseServerOptions = {
  databaseUrl?: string | undefined;
  stateDir: string;
  force?: 'embedded' | 'path';
  progress?: ServerProgress;
  durable?: boolean;
};

/** `url` works with pg, libpq and WHATWG URL. `stop` ends a server that we own; an external one is left alone. */
export type DatabaseServer = { url: string; kind: 'external' | 'path' | 'embedded'; stop(): Promise<void> };

/**
 * Makes a server ready, with an empty database `celium` on the first start. A server that outlived a killed market is
 * adopted. Throws CeliumError: DATABASE_UNAVAILABLE or DISK_FULL.
 */
export async function ensureDatabaseServer(options: DatabaseServerOptions): Promise<DatabaseServer> {
  if (options.databaseUrl !== undefined && options.databaseUrl !== '' && options.force === undefined) {
    await checkServer(options.databaseUrl, 'the server of DATABASE_URL');
    return { url: options.databaseUrl, kind: 'external', stop: async () => undefined };
  }
  const startedMs = performance.now();
  options.progress?.({ event: 'step', name: 'database', status: 'start' });
  try {
    const server = await ensureOwnServer(options);
    const detail = `PostgreSQL, ${server.kind === 'path' ? "the machine's own" : 'embedded'}`;
    options.progress?.({ event: 'step', name: 'database', status: 'done', detail, ms: sinceMs(startedMs) });
    return server;
  } catch (fault) {
    const failure =
      fault instanceof CeliumError ? fault : describeFailure('the database could not be set up', String(fault), fault);
    options.progress?.({
      event: 'step',
      name: 'database',
      status: 'failed',
      detail: failure.message,
      ms: sinceMs(startedMs),
    });
    throw failure;
  }
}

/** The URL of another database on the same server. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(name)}`;
  return changed.href;
}

async function ensureOwnServer(options: DatabaseServerOptions): Promise<DatabaseServer> {
  const account = chooseAccount();
  const home = chooseHome(resolve(options.stateDir), account);
  mkdirSync(home, { recursive: true });
  chmodSync(home, 0o711);
  // Whoever holds this lock until its process ends is the one whose stop() stops the server.
  const ownership = takeLock(join(home, 'owner.lock'));
  try {
    const startLock = await holdLock(join(home, 'start.lock'), LOCK_TIMEOUT_MS);
    try {
      return await startOrAdopt(options, home, account, ownership);
    } finally {
      startLock.release();
    }
  } catch (fault) {
    ownership?.release();
    throw fault;
  }
}

async function startOrAdopt(
  options: DatabaseServerOptions,
  home: string,
  account: ServerAccount | undefined,
  ownership: { release(): void } | undefined,
): Promise<DatabaseServer> {
  const place: ServerPlace = {
    dataDir: join(home, 'data'),
    socketDir: chooseSocketDir(home, account),
    logPath: join(home, 'postgres.log'),
    password: readOrMakePassword(join(home, 'password')),
    account,
  };
  const url = `postgresql://${serverRole}:${place.password}@localhost/${databaseName}?host=${encodeURIComponent(place.socketDir)}`;
  let pid = findRunningServer(place.dataDir);
  let kind: 'path' | 'embedded';
  if (pid === undefined) {
    const dataMajor = readDataMajor(place.dataDir);
    const binaries = await findBinaries({
      account,
      copyDir: account ? '/var/lib/celium/cache' : join(options.stateDir, 'cache'),
      ...(options.force === undefined ? {} : { onlyKind: options.force }),
      ...(dataMajor === undefined ? {} : { dataMajor }),
    });
    kind = binaries.kind;
    const durable = options.durable ?? true;
    if (dataMajor === undefined) await initialiseData(place, binaries, durable);
    pid = await startServer(place, binaries, durable ? ['max_connections=200'] : testSettings);
    writeFileSync(join(home, 'kind'), kind);
    await createDatabase(withDatabase(url, 'postgres'));
  } else {
    for (let tries = 0; tries < 500 && !isServerReady(place.dataDir); tries += 1) await sleep(20);
    kind = readFileSync(join(home, 'kind'), 'utf8') === 'embedded' ? 'embedded' : 'path';
    await createDatabase(withDatabase(url, 'postgres'));
  }
  const serverPid = pid;
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    if (ownership) await stopServer(serverPid, place.dataDir);
    ownership?.release();
  };
  return { url, kind, stop: async () => await (stopping ??= stop()) };
}

const testSettings = [
  'max_connections=400',
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'shared_buffers=64MB',
];

/**
 * `stateDir/postgres`; where the server's account cannot enter that, a folder in /var/lib/celium which a file in the
 * state folder points to, so that a removed state folder also forgets its data.
 */
function chooseHome(stateDir: string, account: ServerAccount | undefined): string {
  mkdirSync(stateDir, { recursive: true });
  const usual = join(stateDir, 'postgres');
  const pointer = join(stateDir, 'postgres-elsewhere');
  if (existsSync(join(usual, 'data'))) return usual;
  if (existsSync(pointer)) return readFileSync(pointer, 'utf8').trim();
  if (isReachable(stateDir, account, 'enter')) return usual;
  makeShared();
  const home = `/var/lib/celium/postgres-${randomBytes(6).toString('hex')}`;
  writeFileSync(pointer, `${home}\n`);
  return home;
}

/** Folders that every account may enter, whatever the umask; what lies inside has its own modes. */
function makeShared(): void {
  for (const path of ['/var/lib/celium', '/var/lib/celium/run']) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
  }
}

function chooseSocketDir(home: string, account: ServerAccount | undefined): string {
  const usual = join(home, 'run');
  const hash = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const short = account
    ? join('/var/lib/celium/run', hash)
    : join(tmpdir(), `celium-${process.getuid?.() ?? 0}-${hash}`);
  const dir = Buffer.byteLength(usual + SOCKET_NAME) < SOCKET_PATH_LIMIT ? usual : short;
  if (dir === short && account) makeShared();
  makeFolder(dir, 0o711, account);
  return dir;
}

function readOrMakePassword(path: string): string {
  try {
    const password = readFileSync(path, 'utf8');
    if (password.length >= 32) return password;
  } catch {
    // The first start.
  }
  const password = randomBytes(24).toString('base64url');
  rmSync(path, { force: true });
  writeFileSync(path, password, { mode: 0o600 });
  return password;
}

async function createDatabase(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [databaseName]);
    if (rowCount === 0) await client.query(`create database ${databaseName}`);
  });
}

async function checkServer(url: string, what: string): Promise<void> {
  let version: number;
  try {
    version = await withClient(url, async (client) => {
      const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
      return Number(rows[0]?.server_version_num);
    });
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new CeliumError('DATABASE_UNAVAILABLE', `${what} does not answer: ${why}`, { cause: fault });
  }
  if (version < oldestMajor * 10_000) {
    throw new CeliumError(
      'DATABASE_UNAVAILABLE',
      `${what} is PostgreSQL ${Math.floor(version / 10_000)}, and ${oldestMajor} is the oldest that works.`,
    );
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS * 3,
  });
  // A connection that breaks while idle must not end the program; the next query tells.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function sinceMs(startedMs: number): number {
  return Math.round(performance.now() - startedMs);
}
