/** Databases for tests: one real server per vitest run, migrated once into a template, cloned for each test file. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ensureDatabaseServer, withDatabase } from './server.ts';
import { holdLock } from './server-lock.ts';
import { findRunningServer, stopServer } from './server-process.ts';

const FOLDER_VARIABLE = 'CELIUM_TEST_DATABASE_DIR';
const TEMPLATE_LOCK_TIMEOUT_MS = 120_000;

/** A database of one test file; `drop` removes it, also while connections are still open. */
export type TestDatabase = { url: string; drop(): Promise<void> };

/** vitest's globalSetup: names the folder of the run's server, which the first test that needs it starts. */
export function setup(): void {
  const dir = mkdtempSync(join(tmpdir(), 'celium-test-'));
  chmodSync(dir, 0o711);
  process.env[FOLDER_VARIABLE] = dir;
}

/** vitest's globalSetup, at the end: stops the server if a test started it, and removes its folder. */
export async function teardown(): Promise<void> {
  const dir = process.env[FOLDER_VARIABLE];
  if (dir === undefined) return;
  const dataDir = join(dir, 'postgres', 'data');
  const pid = findRunningServer(dataDir);
  if (pid !== undefined) await stopServer(pid, dataDir);
  rmSync(dir, { recursive: true, force: true });
}

/**
 * A fresh database with the migrations applied, in about 40 ms. `migrate` runs once per run and template name, on
 * the template; an empty database comes from a `migrate` that does nothing under another `template` name.
 */
export async function createTestDatabase(
  migrate: (url: string) => Promise<unknown>,
  template = 'market',
): Promise<TestDatabase> {
  const dir = process.env[FOLDER_VARIABLE];
  if (dir === undefined) {
    throw new Error('no folder for the test database: run the test through vitest.config.ts, which sets it up');
  }
  const server = await ensureDatabaseServer({ stateDir: dir, durable: false });
  const administration = withDatabase(server.url, 'postgres');
  const templateName = `template_${template.replaceAll(/[^a-z0-9]/g, '_')}`;
  const lock = await holdLock(join(dir, `${templateName}.lock`), TEMPLATE_LOCK_TIMEOUT_MS);
  try {
    const ready = await query(administration, 'select 1 from pg_database where datname = $1 and datistemplate', [
      templateName,
    ]);
    if (ready === 0) {
      // A migration that failed half-way in another file leaves a database that is no template; start again.
      await query(administration, `drop database if exists ${templateName} with (force)`);
      await query(administration, `create database ${templateName}`);
      await migrate(withDatabase(server.url, templateName));
      await query(administration, `alter database ${templateName} is_template true`);
    }
  } finally {
    lock.release();
  }
  const name = `test_${randomBytes(6).toString('hex')}`;
  await query(administration, `create database ${name} template ${templateName}`);
  return {
    url: withDatabase(server.url, name),
    drop: async () => void (await query(administration, `drop database if exists ${name} with (force)`)),
  };
}

async function query(url: string, text: string, values: unknown[] = []): Promise<number> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text, values)).rowCount ?? 0;
  } finally {
    await client.end();
  }
}
