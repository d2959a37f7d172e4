/** The connection to PostgreSQL: one pool, Kysely on top, and transactions that tell after their commit what is to be done. */
import { CeliumError } from '@celium/contract';
import { Kysely, PostgresDialect, type Transaction } from 'kysely';
import pg from 'pg';
import type { Database } from './schema.ts';

/** Something to query: the pool, or an open transaction. */
export type Queries = Kysely<Database>;

/** An open transaction. What it must not do before its commit (wake a worker, answer a waiter) waits in `afterCommit`. */
export interface Tx {
  readonly db: Transaction<Database>;
  afterCommit(act: () => void): void;
}

export interface MarketDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  readonly db: Kysely<Database>;
  /** Runs `work` in one transaction; again, at most twice, when PostgreSQL found a deadlock. */
  transaction<Answer>(work: (tx: Tx) => Promise<Answer>): Promise<Answer>;
  close(): Promise<void>;
}

const INT8_OID = 20;
const MAX_ATTEMPTS = 3;
const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 15_000;

/** Opens the pool; connections are made when first needed. `poolSize` is the most of them. */
export function openDatabase(url: string, options: { poolSize?: number } = {}): MarketDatabase {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.poolSize ?? 20,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    idleTimeoutMillis: 60_000,
    types: { getTypeParser: typeParser as typeof pg.types.getTypeParser },
  });
  // An idle connection that breaks (the server restarts) is replaced by the pool; the event alone must not end the process.
  pool.on('error', () => undefined);
  pool.on('connect', prepareStatements);
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return { url, pool, db, transaction: (work) => runTransaction(db, work), close: () => db.destroy() };
}

/** The SQLSTATE of a fault from PostgreSQL, or null. */
export function sqlState(fault: unknown): string | null {
  const code = (fault as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

/** The name of the constraint that a fault from PostgreSQL names, or null. */
export function brokenConstraint(fault: unknown): string | null {
  const constraint = (fault as { constraint?: unknown } | null)?.constraint;
  return typeof constraint === 'string' ? constraint : null;
}

/** A fault that means "PostgreSQL does not answer" as the error with that code; any other fault as it is. */
export function namedDatabaseFault(fault: unknown): unknown {
  if (fault instanceof CeliumError) return fault;
  const state = sqlState(fault);
  const code = (fault as { code?: unknown } | null)?.code;
  const message = fault instanceof Error ? fault.message : '';
  const isGone =
    (state !== null && (state.startsWith('08') || state.startsWith('57P'))) ||
    ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT'].includes(String(code)) ||
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|driver has already been destroyed/.test(
      message,
    );
  if (state === '53100') return new CeliumError('DISK_FULL', 'the disk of the database is full', { cause: fault });
  return isGone ? new CeliumError('DATABASE_UNAVAILABLE', undefined, { cause: fault, internal: message }) : fault;
}

async function runTransaction<Answer>(db: Kysely<Database>, work: (tx: Tx) => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const acts: Array<() => void> = [];
    try {
      const answer = await db.transaction().execute((trx) => {
        return work({ db: trx, afterCommit: (act) => void acts.push(act) });
      });
      for (const act of acts) act();
      return answer;
    } catch (fault) {
      const state = sqlState(fault);
      if ((state === '40P01' || state === '40001') && attempt < MAX_ATTEMPTS) continue;
      throw namedDatabaseFault(fault);
    }
  }
}

/** Names of statement texts, the same on every connection; beyond the bound, texts stay unnamed. */
const statementNames = new Map<string, string>();
const MAX_NAMED_STATEMENTS = 400;

/** Lets PostgreSQL plan each text once per connection instead of each time: named statements cost half of unnamed ones. */
function prepareStatements(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const named = (...args: unknown[]): unknown => {
    const [text, values] = args;
    if (args.length !== 2 || typeof text !== 'string' || !Array.isArray(values)) return query(...args);
    let name = statementNames.get(text);
    if (name === undefined && statementNames.size < MAX_NAMED_STATEMENTS) {
      name = `celium_${statementNames.size}`;
      statementNames.set(text, name);
    }
    return name === undefined ? query(text, values) : query({ name, text, values });
  };
  client.query = named as typeof client.query;
}

function typeParser(oid: number, format?: 'text' | 'binary'): unknown {
  if (oid === INT8_OID && format !== 'binary') return BigInt;
  return format === undefined ? pg.types.getTypeParser(oid) : pg.types.getTypeParser(oid, format as 'text');
}
