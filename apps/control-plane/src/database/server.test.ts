/** The database server: chosen in order, started by us, safe against kill -9 of us and of it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';
import { ensureDatabaseServer, withDatabase, type DatabaseServer } from './server.ts';
import { chooseAccount, isReachable } from './server-account.ts';
import { candidateFolders } from './server-binaries.ts';
import { findRunningServer } from './server-process.ts';

const folders: string[] = [];

function makeStateDir(prefix = 'celium-pg-'): string {
  const dir = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(dir, 0o755);
  folders.push(dir);
  return dir;
}

afterAll(() => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true });
});

async function ask(server: DatabaseServer, text: string): Promise<string> {
  const client = new pg.Client({ connectionString: server.url, connectionTimeoutMillis: 5000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ value: string }>(text);
    return rows[0]?.value ?? '';
  } finally {
    await client.end();
  }
}

test('the embedded server runs where it is asked for, keeps its data over a restart, and listens on no port', async () => {
  const stateDir = makeStateDir();
  const first = await ensureDatabaseServer({ stateDir, force: 'embedded', durable: false });
  expect(first.kind).toBe('embedded');
  expect(await ask(first, `select current_setting('listen_addresses') as value`)).toBe('');
  expect(await ask(first, `select datcollate as value from pg_database where datname = 'celium'`)).toBe('C.UTF-8');
  await ask(first, 'create table kept as select 7 as n');
  await first.stop();
  expect(findRunningServer(join(stateDir, 'postgres', 'data'))).toBeUndefined();
  const second = await ensureDatabaseServer({ stateDir, durable: false });
  // The machine's own server is first in the order, and may take over the data when its major version is the same.
  expect(await ask(second, 'select n::text as value from kept')).toBe('7');
  await second.stop();
});

test.runIf(candidateFolders().length > 0)(
  "the machine's own PostgreSQL is preferred over the embedded one",
  async () => {
    const server = await ensureDatabaseServer({ stateDir: makeStateDir(), durable: false });
    expect(server.kind).toBe('path');
    await server.stop();
  },
);

test('a server that outlives a killed market is adopted, and then stopped by its new owner', async () => {
  const stateDir = makeStateDir();
  const script = `
    import { ensureDatabaseServer } from ${JSON.stringify(new URL('./server.ts', import.meta.url).href)};
    await ensureDatabaseServer({ stateDir: ${JSON.stringify(stateDir)}, durable: false });
    console.log('up');
    setInterval(() => undefined, 1000);`;
  const market = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(market.stdout, 'data');
  const dataDir = join(stateDir, 'postgres', 'data');
  const pid = findRunningServer(dataDir);
  const borrower = await ensureDatabaseServer({ stateDir, durable: false });
  await borrower.stop();
  expect(findRunningServer(dataDir), 'a second program does not stop the server of the first').toBe(pid);
  market.kill('SIGKILL');
  await once(market, 'exit');
  expect(findRunningServer(dataDir)).toBe(pid);
  const adopted = await ensureDatabaseServer({ stateDir, durable: false });
  expect(findRunningServer(dataDir)).toBe(pid);
  expect(await ask(adopted, `select 'alive' as value`)).toBe('alive');
  await adopted.stop();
  expect(findRunningServer(dataDir)).toBeUndefined();
});

test('a server killed with kill -9 comes back with every acknowledged row', async () => {
  const stateDir = makeStateDir();
  const first = await ensureDatabaseServer({ stateDir });
  await ask(first, 'create table kept (n int)');
  await ask(first, 'insert into kept select generate_series(1, 1000)');
  process.kill(findRunningServer(join(stateDir, 'postgres', 'data')) ?? 0, 'SIGKILL');
  await first.stop();
  const second = await ensureDatabaseServer({ stateDir });
  expect(await ask(second, 'select count(*)::text as value from kept')).toBe('1000');
  await second.stop();
});

test('the password is readable by us alone, and no login works without it', async () => {
  const stateDir = makeStateDir();
  const server = await ensureDatabaseServer({ stateDir, durable: false });
  const passwordFile = join(stateDir, 'postgres', 'password');
  expect(statSync(passwordFile).mode & 0o777).toBe(0o600);
  expect(server.url).toContain(readFileSync(passwordFile, 'utf8'));
  expect(existsSync(join(stateDir, 'postgres', 'initial-password'))).toBe(false);
  const wrong = new URL(server.url);
  wrong.password = 'wrong';
  const client = new pg.Client({ connectionString: wrong.href });
  await expect(client.connect()).rejects.toThrow(/password authentication failed/);
  await server.stop();
});

test('a state folder with a very long path still gets a working socket', async () => {
  const stateDir = join(makeStateDir(), 'x'.repeat(90));
  const server = await ensureDatabaseServer({ stateDir, durable: false });
  expect(await ask(server, `select 'long' as value`)).toBe('long');
  await server.stop();
});

test.runIf(process.getuid?.() === 0)(
  'as root, a state folder that the server may not enter is given a reachable place',
  async () => {
    const stateDir = makeStateDir();
    chmodSync(stateDir, 0o700);
    const server = await ensureDatabaseServer({ stateDir, durable: false });
    expect(await ask(server, `select current_setting('data_directory') as value`)).toMatch(
      /^\/var\/lib\/celium\/postgres-/,
    );
    const home = join(await ask(server, `select current_setting('data_directory') as value`), '..');
    await server.stop();
    rmSync(home, { recursive: true, force: true });
  },
);

test.runIf(process.getuid?.() === 0)(
  'a full disk is reported as such, and no half-made data folder stays',
  async () => {
    const dir = makeStateDir();
    const run = promisify(execFile);
    const disk = join(dir, 'disk.img');
    const stateDir = join(dir, 'state');
    mkdirSync(stateDir);
    await run('truncate', ['-s', '24M', disk]);
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', disk]);
    await run('mount', ['-o', 'loop', disk, stateDir]);
    try {
      chmodSync(stateDir, 0o755);
      await expect(ensureDatabaseServer({ stateDir, durable: false })).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect(readdirSync(join(stateDir, 'postgres')).filter((name) => name.startsWith('data'))).toEqual([]);
    } finally {
      await run('umount', [stateDir]);
    }
  },
);

test('a DATABASE_URL is used as it is, and one that does not answer is explained', async () => {
  const database = await createTestDatabase(async () => undefined, 'empty');
  const server = await ensureDatabaseServer({ databaseUrl: database.url, stateDir: '/nonexistent' });
  expect(server).toMatchObject({ url: database.url, kind: 'external' });
  await server.stop();
  await database.drop();
  await expect(ensureDatabaseServer({ databaseUrl: database.url, stateDir: '/nonexistent' })).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
  });
});

test('each test database is a private copy of the migrated template', async () => {
  let migrations = 0;
  const migrate = async (url: string): Promise<void> => {
    migrations += 1;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('create table things (n int)');
    await client.end();
  };
  const [one, two] = await Promise.all([createTestDatabase(migrate, 'things'), createTestDatabase(migrate, 'things')]);
  expect(migrations).toBe(1);
  const client = new pg.Client({ connectionString: one.url });
  await client.connect();
  await client.query('insert into things values (1)');
  await client.end();
  const other = new pg.Client({ connectionString: two.url });
  await other.connect();
  expect((await other.query('select * from things')).rowCount).toBe(0);
  await other.end();
  await Promise.all([one.drop(), two.drop()]);
});

test('root never runs the server: an unprivileged account that exists is chosen, in a fixed order', () => {
  expect(chooseAccount(1000, '')).toBeUndefined();
  expect(chooseAccount(0, 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n')).toMatchObject({ uid: 65534 });
  expect(chooseAccount(0, 'nobody:x:65534:65534::/:\npostgres:x:101:104::/:\n')).toEqual({
    uid: 101,
    gid: 104,
    name: 'postgres',
  });
  expect(() => chooseAccount(0, 'root:x:0:0::/:/bin/sh\n')).toThrow(/DATABASE_URL/);
});

test('a folder counts as reachable only when every parent may be entered', () => {
  const nobody = { uid: 65534, gid: 65534, name: 'nobody' };
  const dir = makeStateDir();
  expect(isReachable(dir, nobody)).toBe(true);
  chmodSync(dir, 0o711);
  expect(isReachable(dir, nobody)).toBe(false);
  expect(isReachable(dir, nobody, 'enter')).toBe(true);
  chmodSync(dir, 0o700);
  expect(isReachable(dir, nobody, 'enter')).toBe(false);
  expect(isReachable(join(dir, 'missing'), nobody)).toBe(false);
});

test('another database of the same server differs in its name only', () => {
  expect(withDatabase('postgresql://a:b@localhost/x?host=%2Frun', 'y')).toBe(
    'postgresql://a:b@localhost/y?host=%2Frun',
  );
});
