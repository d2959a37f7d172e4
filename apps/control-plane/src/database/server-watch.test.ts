/** A database server that is killed is back within seconds, with what it had acknowledged. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { systemClock } from '../system-ports.ts';
import { PATIENCE } from '../testing/patience.ts';
import { openDatabase } from './market-database.ts';
import { ensureDatabaseServer } from './server.ts';
import { findRunningServer } from './server-process.ts';
import { watchServer } from './server-watch.ts';

test('a killed server of ours is started again, the pool goes on, and the stop of the market stops it', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'celium-watch-'));
  chmodSync(stateDir, 0o755);
  const dataDir = join(stateDir, 'postgres', 'data');
  const start = () => ensureDatabaseServer({ stateDir });
  const server = await start();
  const watch = watchServer(server, start, { clock: systemClock(), log: pino({ level: 'silent' }) });
  const database = openDatabase(server.url);
  await database.pool.query('create table acknowledged as select 42 as answer');
  const pid = findRunningServer(dataDir) ?? 0;
  process.kill(pid, 'SIGKILL');
  const ask = () =>
    database.pool.query<{ answer: number }>('select answer from acknowledged').then(({ rows }) => rows[0]?.answer);
  await expect.poll(() => ask().catch(() => null), { ...PATIENCE, timeout: 30_000 }).toBe(42);
  await expect.poll(() => findRunningServer(dataDir), PATIENCE).not.toBe(pid);
  await database.close();
  await watch.stop();
  expect(findRunningServer(dataDir)).toBeUndefined();
  rmSync(stateDir, { recursive: true, force: true });
}, 60_000);
