/** The market as a program: it starts, says so in one line, stops cleanly, keeps its key, and names what is wrong in one error. */
import { spawn, type ChildProcess } from 'node:child_process';
import { ERRORS, parseProgressLine, type ErrorCode, type ProgressEvent } from '@celium/contract';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createTestDatabase } from './database/testing.ts';
import { migrateDatabase } from './database/migrate.ts';
import { readArguments } from './arguments.ts';

const folders: string[] = [];
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'celium-market-'));
  folders.push(folder);
  return folder;
}

interface Run {
  /** The first `ready` or `error` event, or the end. */
  first: Promise<ProgressEvent | null>;
  /** The exit status. */
  ended: Promise<number | null>;
  /** Asks it to stop. */
  end(): Promise<number | null>;
}

function start(args: string[], databaseUrl: string): Run {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], {
    env: { ...process.env, DATABASE_URL: databaseUrl, CELIUM_LOG: 'silent' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const first = new Promise<ProgressEvent | null>((resolve) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      const events = text.split('\n').map((line) => parseProgressLine(line));
      const found = events.find((event) => event?.event === 'ready' || event?.event === 'error');
      if (found !== undefined) resolve(found);
    });
    void ended.then(() => resolve(null));
  });
  return {
    first,
    ended,
    end: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function expectFailure(run: Run, code: ErrorCode): Promise<void> {
  expect(await run.first).toMatchObject({ event: 'error', code, remedy: ERRORS[code].remedy });
  expect(await run.ended).toBe(ERRORS[code].exit);
}

test('a market starts, serves, stops on SIGTERM, and is the same market when it starts again', async () => {
  const database = await createTestDatabase(migrateDatabase);
  const state = makeFolder();
  const args = ['--state', state, '--port', '0', '--json'];
  const first = start(args, database.url);
  const ready = (await first.first) as Record<string, unknown>;
  expect(ready).toMatchObject({
    event: 'ready',
    publicKey: expect.stringMatching(/^[0-9a-f]{64}$/),
    database: { kind: 'external' },
  });
  const { publicKey } = (await (await fetch(`${String(ready['url'])}/v1/market`)).json()) as { publicKey: string };
  expect(publicKey).toBe(ready['publicKey']);
  expect(readFileSync(String(ready['operatorKeyFile']), 'utf8')).toMatch(/^cel_op_[0-9a-f]{64}\n$/);
  for (const name of ['market.key', 'operator.key', 'market.secret']) {
    expect(statSync(join(state, name)).mode & 0o777).toBe(0o600);
  }
  expect(statSync(state).mode & 0o777).toBe(0o700);
  await expectFailure(start(args, database.url), 'STATE_LOCKED');
  expect(await first.end()).toBe(0);
  const second = start(args, database.url);
  expect(await second.first).toMatchObject({ event: 'ready', publicKey });
  expect(await second.end()).toBe(0);
  await database.drop();
});

test('a port in use and a database that does not answer are each one error with its remedy', async () => {
  const database = await createTestDatabase(migrateDatabase);
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as { port: number };
  await expectFailure(start(['--state', makeFolder(), '--port', String(port)], database.url), 'PORT_IN_USE');
  await expectFailure(
    start(['--state', makeFolder(), '--port', '0'], 'postgres://x:y@127.0.0.1:9/celium'),
    'DATABASE_UNAVAILABLE',
  );
  taken.close();
  await database.drop();
});

test.each([
  [[], /--state/],
  [['--state', 'x', '--port', '70000'], /--port/],
  [['--state', 'x', '--netuid', '1.5'], /--netuid/],
  [['--state', 'x', '--prot', '1'], /--prot/],
  [['--state', 'x', 'extra'], /extra/],
])('the command line %j is refused with what is wrong', (args, message) => {
  expect(() => readArguments(args)).toThrow(message);
});

test('without arguments but a folder a market serves on loopback, on subnet 51', () => {
  expect(readArguments(['--state', 'x'])).toEqual({
    stateDir: 'x',
    host: '127.0.0.1',
    port: 7_740,
    chainUrl: 'http://127.0.0.1:7744',
    netuid: 51,
    allowPrivate: false,
    embeddedPostgres: false,
    receiptAgeMs: null,
  });
});
