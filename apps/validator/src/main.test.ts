/** The program as it is started: ready with its address, one per state folder, one per port, and a clean end. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  defaultGenesis,
  Devchain,
  DevchainStore,
  keyFromUri,
  serializeSecretKeyfile,
  serveDevchain,
} from '@celium/chain';
import { ERRORS } from '@celium/contract';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
let folder = '';
let chain: Awaited<ReturnType<typeof serveDevchain>>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'celium-validator-main-'));
  writeFileSync(join(folder, 'hotkey'), serializeSecretKeyfile(keyFromUri('//main-test')));
  const store = new DevchainStore(':memory:');
  chain = await serveDevchain(new Devchain({ store, genesis: defaultGenesis(), now: Date.now }), 0);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
});
afterAll(async () => {
  await chain.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  child: ChildProcess;
  /** The first `ready` or `error` line. */
  line: Record<string, unknown>;
  status: Promise<number | null>;
}

async function start(args: string[]): Promise<Started> {
  const all = ['--hotkey-file', join(folder, 'hotkey'), '--chain', chain.url, '--json', ...args];
  const child = spawn(process.execPath, [MAIN, ...all], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const status = once(child, 'exit').then(([code]) => code as number | null);
  for await (const text of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const line = JSON.parse(text) as Record<string, unknown>;
    if (line['event'] === 'ready' || line['event'] === 'error') return { child, line, status };
  }
  throw new Error('it ended without a word');
}

test('it says where it serves, and ends well on SIGTERM', async () => {
  const { child, line, status } = await start(['--state', join(folder, 'a'), '--port', '0']);
  expect(line).toMatchObject({ event: 'ready', pid: child.pid, hotkey: keyFromUri('//main-test').ss58 });
  expect(await (await fetch(`${String(line['url'])}/livez`)).json()).toEqual({ ok: true });
  child.kill('SIGTERM');
  expect(await status).toBe(0);
});

test('a second one on the same state folder, or on the same port, is refused with a code and a remedy', async () => {
  const { line } = await start(['--state', join(folder, 'b'), '--port', '0']);
  const port = new URL(String(line['url'])).port;
  const locked = await start(['--state', join(folder, 'b'), '--port', '0']);
  expect(locked.line).toMatchObject({ event: 'error', code: 'STATE_LOCKED', remedy: ERRORS.STATE_LOCKED.remedy });
  expect(await locked.status).toBe(ERRORS.STATE_LOCKED.exit);
  const taken = await start(['--state', join(folder, 'c'), '--port', port]);
  expect(taken.line).toMatchObject({ event: 'error', code: 'PORT_IN_USE' });
  expect(await taken.status).toBe(ERRORS.PORT_IN_USE.exit);
});

test('a missing hotkey file is named', async () => {
  const { line, status } = await start(['--state', join(folder, 'd'), '--hotkey-file', join(folder, 'none')]);
  expect(line).toMatchObject({ event: 'error', code: 'BAD_WALLET' });
  expect(await status).toBe(ERRORS.BAD_WALLET.exit);
});

test('it waits for a chain that starts later, and ends well when it is told to stop before that', async () => {
  const args = ['--state', join(folder, 'f'), '--port', '0', '--hotkey-file', join(folder, 'hotkey'), '--json'];
  const child = spawn(process.execPath, [MAIN, ...args, '--chain', 'http://127.0.0.1:1'], { stdio: 'ignore' });
  children.push(child);
  const status = once(child, 'exit');
  // Its state is there, so it has begun to wait.
  while (!existsSync(join(folder, 'f', 'validator.sqlite'))) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(child.exitCode).toBeNull();
  child.kill('SIGTERM');
  expect(await status).toEqual([0, null]);
});

test('--once with nothing to check says so and ends', async () => {
  const { status } = await start(['--state', join(folder, 'e'), '--port', '0', '--once']);
  expect(await status).toBe(0);
});
