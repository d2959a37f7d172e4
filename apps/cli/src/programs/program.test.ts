/** Programs as child processes, tried on a real one: the devchain. */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findFreeRange } from '../demo/free-ports.ts';
import { Stage } from '../demo/stage.ts';
import { clearLeftovers, runningDemo } from '../demo/leftovers.ts';
import { isRunning } from './alive.ts';
import { programEntry } from './entries.ts';
import { startProgram } from './program.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-programs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a program is ready with its fields, and ends with 0 when it is stopped', async () => {
  const program = startProgram('devchain', { args: ['--state', join(folder, 'a'), '--port', '0', '--json'] });
  const ready = await program.ready;
  expect(ready['url']).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect(isRunning(program.pid, programEntry('devchain'))).toBe(true);
  expect(await program.stop()).toBe(0);
  expect(program.isRunning()).toBe(false);
});

test('the error of a program that cannot start is its own, with code and remedy', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const program = startProgram('devchain', { args: ['--state', join(folder, 'b'), '--port', String(port), '--json'] });
  await expect(program.ready).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  expect(await program.ended).not.toBe(0);
  server.close();
});

test('a program that is killed ends, and says so to who waits for it', async () => {
  const program = startProgram('devchain', { args: ['--state', join(folder, 'c'), '--port', '0', '--json'] });
  await program.ready;
  program.signal('SIGKILL');
  expect(await program.ended).toBe(128);
});

test('a stage ends what it started, and tells of a program that ended by itself', async () => {
  const stage = new Stage(join(folder, 'stage'));
  const args = (name: string): string[] => ['--state', join(folder, name), '--port', '0', '--json'];
  const first = await stage.start('devchain', args('d1'));
  const died = new Promise<number>((resolve) => (stage.onDeath = (program) => resolve(program.pid)));
  const second = await stage.start('devchain', args('d2'));
  second.program.signal('SIGKILL');
  expect(await died).toBe(second.program.pid);
  await stage.end();
  expect(first.program.isRunning()).toBe(false);
});

test('what a killed demo left running is ended by the next one, and a running demo is left alone', async () => {
  const demos = join(folder, 'demos');
  const stage = new Stage(join(demos, 'one'));
  const { program } = await stage.start('devchain', ['--state', join(folder, 'e'), '--port', '0', '--json']);
  // This process is no `celium`, so its demo counts as dead.
  expect(runningDemo(join(demos, 'one'))).toBeNull();
  expect(await clearLeftovers(demos)).toBe(1);
  await program.ended;
  expect(isRunning(program.pid, programEntry('devchain'))).toBe(false);
  expect(await clearLeftovers(demos)).toBe(0);
});

test('free ports are found in a row, and none of them is in use', async () => {
  const { from, to } = await findFreeRange(5, () => 0.5);
  expect(to - from).toBe(4);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(from, '0.0.0.0', resolve));
  let tries = 0;
  const other = await findFreeRange(5, () => (tries++ === 0 ? 0.5 : 0.9));
  expect(other.from).not.toBe(from);
  server.close();
});
