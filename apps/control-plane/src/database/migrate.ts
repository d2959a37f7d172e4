/** Brings a database to the present schema: numbered SQL files, forward only, each in its own transaction, one migrator at a time. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { CeliumError } from '@celium/contract';
import pg from 'pg';

const MIGRATIONS = new URL('./migrations/', import.meta.url);
/** Any constant: names the advisory lock that migrators of one database share. */
const MIGRATION_LOCK = 0x63656c69;
const CONNECT_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 300_000;

/**
 * Applies the migrations that the database lacks, and answers their names.
 * @throws CeliumError DATABASE_UNAVAILABLE when it does not answer, or holds another history than these files
 */
export async function migrateDatabase(url: string): Promise<string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  });
  // A connection that breaks also fails the query in progress; without a listener it would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return await applyMissing(client);
  } catch (fault) {
    if (fault instanceof CeliumError) throw fault;
    const why = fault instanceof Error ? fault.message : String(fault);
    throw new CeliumError('DATABASE_UNAVAILABLE', `the database could not be brought to the present schema: ${why}`, {
      cause: fault,
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The names of all migrations there are, in order. */
export function listMigrations(): string[] {
  return readdirSync(MIGRATIONS)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .sort();
}

async function applyMissing(client: pg.Client): Promise<string[]> {
  await client.query(
    'create table if not exists schema_migrations (name text primary key, sha256 text not null, applied_at timestamptz not null default now())',
  );
  const { rows } = await client.query<{ name: string; sha256: string }>('select name, sha256 from schema_migrations');
  const applied = new Map(rows.map((row) => [row.name, row.sha256]));
  const names = listMigrations();
  const unknown = [...applied.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new CeliumError('DATABASE_UNAVAILABLE', `the database is newer than this program: it has ${unknown}`);
  const done: string[] = [];
  for (const name of names) {
    const sql = readFileSync(new URL(name, MIGRATIONS), 'utf8');
    const sha256 = createHash('sha256').update(sql).digest('hex');
    const before = applied.get(name);
    if (before === sha256) continue;
    if (before !== undefined)
      throw new CeliumError('DATABASE_UNAVAILABLE', `migration ${name} was changed after it had been applied`);
    await client.query('begin');
    await client.query(sql);
    await client.query('insert into schema_migrations (name, sha256) values ($1, $2)', [name, sha256]);
    await client.query('commit');
    done.push(name);
  }
  return done;
}
