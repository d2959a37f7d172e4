/** The devchain program: one ready line, clean stop, and no acknowledged operation lost to `kill -9` at any point. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startDevchain, type DevchainProcess } from '../../tests/devchain-process.ts';
import { connectDevchain } from '../connect.ts';
import { keyFromUri } from '../keys/key-pair.ts';
import { RAO_PER_TAO } from '../subnet-chain.ts';
import { devchainHttpPort } from './http-port.ts';
import { replayDevchain } from './replay.ts';
import { signOperation } from './operations.ts';
import { DevchainStore } from './store.ts';

const alice = keyFromUri('//Alice');
const bob = keyFromUri('//Bob');
const running: DevchainProcess[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-devchain-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((program) => program.stop('SIGKILL')));
  rmSync(folder, { recursive: true });
});

async function start(port: number, env: Record<string, string> = {}, blockMs = 50): Promise<DevchainProcess> {
  const args = ['--port', String(port), '--state', folder, '--block-ms', String(blockMs)];
  const program = await startDevchain(args, env);
  running.push(program);
  return program;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

test('SIGTERM stops it cleanly at once, and a start resumes the same chain', async () => {
  const first = await start(0);
  const chain = connectDevchain(first.url);
  await chain.transfer(alice, bob.ss58, RAO_PER_TAO);
  const { genesisHash } = await chain.info();
  const reading = chain.finalizedBlocks(1_000_000)[Symbol.asyncIterator]().next();
  expect(await first.stop()).toBe(0);
  await chain.close();
  expect((await reading).done).toBe(true);
  const second = await start(0);
  const again = connectDevchain(second.url);
  expect((await again.info()).genesisHash).toBe(genesisHash);
  expect((await again.balance(bob.ss58)).free).toBe(RAO_PER_TAO);
  await again.close();
});

test('killed at each crash point: what was answered is there, what was not is asked for and sent once', async () => {
  const port = await freePort();
  const chain = connectDevchain(`http://127.0.0.1:${port}`);
  let sent = 0n;
  for (const point of ['devchain.op.accepted', 'devchain.op.appended', 'devchain.block.sealed:3']) {
    const doomed = await start(port, { CELIUM_CRASH_AT: point });
    const transfer = chain.transfer(alice, bob.ss58, RAO_PER_TAO);
    expect(await doomed.exited).toBe('SIGKILL');
    const program = await start(port);
    expect(await transfer).toMatchObject({ ok: true });
    sent += RAO_PER_TAO;
    expect((await chain.balance(bob.ss58)).free).toBe(sent);
    expect(await program.stop()).toBe(0);
  }
  await chain.close();
  const store = new DevchainStore(join(folder, 'devchain.sqlite'));
  expect(replayDevchain(store)).toMatch(/^[0-9a-f]{64}$/);
  store.close();
}, 60_000);

test('an operation in the open block survives kill -9 before any seal', async () => {
  const port = await freePort();
  const first = await start(port, {}, 600_000);
  const devchain = devchainHttpPort(first.url);
  const { genesisHash } = await devchain.identity();
  const call = { call: 'transfer', to: bob.ss58, amount: RAO_PER_TAO } as const;
  const submitted = await devchain.submit(await signOperation(call, { nonce: 0, genesisHash, validUntil: 9 }, alice));
  if (!submitted.accepted) throw new Error(submitted.error);
  await first.stop('SIGKILL');
  await start(port, {}, 50);
  expect((await devchain.account(bob.ss58, 'open')).free).toBe(String(RAO_PER_TAO));
  expect(await devchain.inclusion(submitted.txHash, 5_000)).toMatchObject({ status: 'sealed', block: { number: 1 } });
  await devchain.close();
});

test('a stream of finalised blocks goes on over a restart without a gap', async () => {
  const port = await freePort();
  const first = await start(port);
  const chain = connectDevchain(first.url);
  const numbers: number[] = [];
  let restarted: Promise<unknown> | undefined;
  for await (const { number } of chain.finalizedBlocks(0)) {
    numbers.push(number);
    if (number === 3) restarted = first.stop('SIGKILL').then(() => start(port));
    if (number === 12) break;
  }
  await restarted;
  expect(numbers).toEqual(Array.from({ length: 13 }, (_, index) => index));
  await chain.close();
});

test('a port in use ends it with its code, remedy and exit status', async () => {
  const first = await start(0);
  const port = new URL(first.url).port;
  const other = mkdtempSync(join(tmpdir(), 'celium-devchain-'));
  await expect(startDevchain(['--port', port, '--state', other])).rejects.toMatchObject({
    status: 70,
    event: { event: 'error', code: 'PORT_IN_USE', remedy: expect.stringContaining('--port') },
  });
  rmSync(other, { recursive: true });
});

test('a state folder in use, options of another chain and a damaged log each have their code', async () => {
  const first = await start(0);
  await expect(start(0)).rejects.toMatchObject({ status: 79, event: { code: 'STATE_LOCKED' } });
  const chain = connectDevchain(first.url);
  await chain.transfer(alice, bob.ss58, RAO_PER_TAO);
  await chain.close();
  await first.stop();
  await expect(startDevchain(['--port', '0', '--state', folder, '--netuid', '7'])).rejects.toMatchObject({
    event: { code: 'CONFLICT' },
  });
  const database = new DatabaseSync(join(folder, 'devchain.sqlite'));
  database.exec(`UPDATE log SET entry = replace(entry, '"amount":"1000000000"', '"amount":"2000000000"')`);
  database.close();
  await expect(start(0)).rejects.toMatchObject({ event: { code: 'INTERNAL' } });
});

test('a client notices that another chain answers at the address', async () => {
  const port = await freePort();
  const first = await start(port);
  const devchain = devchainHttpPort(first.url);
  await devchain.identity();
  await first.stop();
  const other = mkdtempSync(join(tmpdir(), 'celium-devchain-'));
  const second = await startDevchain(['--port', String(port), '--state', other]);
  running.push(second);
  await expect(devchain.heads()).rejects.toThrow(/another devchain/);
  await second.stop();
  rmSync(other, { recursive: true });
});

test('nothing but loopback JSON is answered, and nothing at all is CHAIN_UNAVAILABLE', async () => {
  const { url } = await start(0);
  const post = (headers: Record<string, string>, body: string) =>
    fetch(`${url}/rpc/heads`, { method: 'POST', headers, body });
  expect((await post({ 'content-type': 'text/plain' }, '{}')).status).toBe(400);
  expect((await post({ 'content-type': 'application/json' }, '[')).status).toBe(400);
  expect((await post({ 'content-type': 'application/json' }, 'x'.repeat(200_000))).status).toBe(400);
  expect((await fetch(`${url}/rpc/constructor`, { method: 'POST' })).status).toBe(404);
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ ok: true, best: { number: expect.any(Number) } });
  const nobody = connectDevchain(`http://127.0.0.1:${await freePort()}`);
  await expect(nobody.heads()).rejects.toMatchObject({ code: 'CHAIN_UNAVAILABLE' });
});
