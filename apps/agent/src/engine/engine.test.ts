/** The engine set-up against real daemons: found, started, restarted, refused; and the base image in use. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseProgressLine } from '@celium/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { baseImageTag } from './base-image.ts';
import { daemonConfiguration, leftoverShims, uplinkMtu } from './daemon.ts';
import { pingEngine } from './engine-api.ts';
import { defaultSocket, ensureEngine, socketPathOf } from './ensure.ts';
import { EngineFailure, explainFault } from './failure.ts';
import { startPrivateEngine, type PrivateEngine } from './private-engine.ts';

let sandbox: string;
beforeAll(() => {
  sandbox = mkdtempSync(join(tmpdir(), 'celium-engine-'));
});
afterAll(() => {
  rmSync(sandbox, { recursive: true, force: true });
});

test('an engine that answers is used as it is, and nothing is written', async () => {
  const engineDir = join(sandbox, 'untouched');
  const engine = await ensureEngine({ engineDir });
  expect(engine.socket).toBe('/var/run/docker.sock');
  expect(engine.startedByUs).toBe(false);
  expect(existsSync(engineDir)).toBe(false);
});

test('a socket that a person names is never replaced by another engine', async () => {
  const socket = join(sandbox, 'nobody.sock');
  await expect(ensureEngine({ socket, engineDir: join(sandbox, 'e') })).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
  });
  await expect(
    ensureEngine({ environment: { DOCKER_HOST: `unix://${socket}` }, engineDir: join(sandbox, 'e') }),
  ).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
});

test('without root and without an engine there is one error, and it says what to do', async () => {
  const engineDir = join(sandbox, 'stopped');
  const socket = join(sandbox, 'stopped.sock');
  mkdirSync(engineDir);
  writeFileSync(join(engineDir, 'daemon.pid.json'), JSON.stringify({ pid: 1, startTicks: 'x', socket }));
  const failure: unknown = await ensureEngine({ socket, engineDir, uid: 1000 }).catch((fault: unknown) => fault);
  expect(failure).toMatchObject({ code: 'NOT_ROOT', remedy: expect.stringMatching(/as root.*--docker/) as string });
});

test('prepare tells its steps and its result as lines of the contract', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const ready = await promisify(execFile)(process.execPath, [main, 'prepare', '--json']);
  const events = ready.stdout.trim().split('\n').map(parseProgressLine);
  expect(events).not.toContain(null);
  expect(events.at(-1)).toMatchObject({
    event: 'ready',
    socket: defaultSocket,
    image: baseImageTag(),
    imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
  });
  const missing = join(sandbox, 'missing.sock');
  const failed = await promisify(execFile)(process.execPath, [main, 'prepare', '--json', '--docker', missing]).catch(
    (fault: unknown) => fault as { code: number; stdout: string },
  );
  expect(failed).toMatchObject({ code: 1 });
  expect(parseProgressLine(failed.stdout.trim())).toMatchObject({ event: 'error', code: 'ENGINE_UNAVAILABLE' });
});

test('a remote DOCKER_HOST is refused with the remedy, since pods need an engine here', () => {
  expect(() => socketPathOf('tcp://10.0.0.1:2375')).toThrow(EngineFailure);
  expect(socketPathOf('unix:///run/x.sock')).toBe('/run/x.sock');
});

test('a socket behind which something hangs is given up within its bound', async () => {
  const path = join(sandbox, 'hang.sock');
  const server = createServer(() => undefined).listen(path);
  const startedMs = performance.now();
  expect(await pingEngine(path, 300)).toBe(false);
  expect(performance.now() - startedMs).toBeLessThan(2000);
  server.close();
});

test('our daemon remaps users from its first start and keeps pods over its own restart', () => {
  const configuration = daemonConfiguration({ socket: '/run/x.sock', dir: '/var/lib/x' }, undefined);
  expect(configuration).toMatchObject({ 'userns-remap': 'default', 'userland-proxy': false, 'live-restore': true });
  expect(configuration.hosts).toEqual(['unix:///run/x.sock']);
});

test('the bridge MTU follows the interface of the default route', () => {
  expect(uplinkMtu('Iface\tDestination\tGateway\nlo\t00000000\t0\n')).toBe(1500);
  expect(uplinkMtu('')).toBe(1500);
  expect(uplinkMtu()).toBeGreaterThanOrEqual(576);
});

test('a full disk is named as such, whatever failed because of it', () => {
  const otherwise = new EngineFailure('ENGINE_START_FAILED', 'x', 'y');
  expect(explainFault(new Error('write /x: no space left on device'), otherwise).code).toBe('DISK_FULL');
  expect(explainFault(new Error('permission denied'), otherwise)).toBe(otherwise);
});

describe.runIf(process.getuid?.() === 0)('a private engine', () => {
  let engine: PrivateEngine;
  const dir = join(tmpdir(), `celium-private-${process.pid}`);
  beforeAll(async () => {
    engine = await startPrivateEngine(dir);
  }, 60_000);
  afterAll(async () => {
    await engine.remove();
  }, 60_000);

  test('is one of our own: remapped, and found again by its folder', async () => {
    const found = await ensureEngine({ socket: engine.socket, engineDir: dir });
    expect(found.startedByUs).toBe(true);
    expect(found.facts.remap?.uid).toBeGreaterThan(0);
  });

  test('that was killed is a plain unavailability to a stranger, and is back after resume', async () => {
    await engine.halt('SIGKILL');
    expect(await pingEngine(engine.socket)).toBe(false);
    await expect(ensureEngine({ socket: engine.socket, engineDir: join(sandbox, 'other') })).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
    });
    await engine.resume();
    expect(await pingEngine(engine.socket)).toBe(true);
  }, 60_000);

  test('leaves nothing behind when it is removed', async () => {
    await engine.remove();
    expect(existsSync(dir)).toBe(false);
    expect(existsSync(engine.socket)).toBe(false);
    expect(leftoverShims(dir)).toEqual([]);
  }, 60_000);
});

test.runIf(process.getuid?.() === 0)(
  'a daemon that cannot start shows the end of its log',
  async () => {
    const dir = join(sandbox, 'broken');
    mkdirSync(join(dir, 'data'), { recursive: true });
    chmodSync(dir, 0o711);
    const socket = join(sandbox, 'broken.sock');
    // The record makes the socket ours, so that a start is tried; a file in place of the store makes it fail.
    writeFileSync(join(dir, 'daemon.pid.json'), JSON.stringify({ pid: 1, startTicks: 'x', socket }));
    rmSync(join(dir, 'data'), { recursive: true });
    writeFileSync(join(dir, 'data'), 'not a folder');
    const failure = await ensureEngine({ socket, engineDir: dir }).catch((fault: unknown) => fault);
    expect(failure).toBeInstanceOf(EngineFailure);
    expect(failure).toMatchObject({ code: 'ENGINE_START_FAILED' });
    expect((failure as EngineFailure).message).toContain('dockerd.log');
  },
  60_000,
);
