/** The base image and the tools folder in real containers, as pods use them. */
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { baseImageFiles, baseImageSource, baseImageTag, ensureBaseImage } from './base-image.ts';
import type { ReadyImage } from './find-image.ts';
import { findProgram, runCommand } from './command.ts';
import { readEngineFacts } from './engine-api.ts';
import { defaultSocket } from './ensure.ts';
import { installPackages } from './packages.ts';
import { buildToolsFolder, toolsMountPath } from './tools-folder.ts';

const run = promisify(execFile);
const docker = new Docker({ socketPath: defaultSocket });
const containers: Docker.Container[] = [];
let sandbox: string;
let image: ReadyImage;
let rootUid: number;

beforeAll(async () => {
  sandbox = mkdtempSync(join(tmpdir(), 'celium-image-'));
  image = await ensureBaseImage({ socket: defaultSocket, cacheDir: '/var/lib/celium/cache' });
  rootUid = (await readEngineFacts(defaultSocket)).remap?.uid ?? 0;
}, 300_000);

afterAll(async () => {
  for (const container of containers) await container.remove({ force: true, v: true });
  await docker
    .getImage('celium-test/busybox:1')
    .remove({ force: true })
    .catch(() => undefined);
  rmSync(sandbox, { recursive: true, force: true });
}, 60_000);

async function start(options: Docker.ContainerCreateOptions): Promise<Docker.Container> {
  const container = await docker.createContainer({ Image: image.tag, ...options });
  containers.push(container);
  await container.start();
  return container;
}

test('the tag follows the content, so an unchanged image is never built again', async () => {
  const copy = join(sandbox, 'source');
  mkdirSync(copy);
  for (const name of baseImageFiles) copyFileSync(join(baseImageSource(), name), join(copy, name));
  expect(baseImageTag(copy)).toBe(image.tag);
  writeFileSync(join(copy, 'packages.txt'), 'bash\n');
  expect(baseImageTag(copy)).not.toBe(image.tag);
  const startedMs = performance.now();
  expect(await ensureBaseImage({ socket: defaultSocket, cacheDir: sandbox })).toEqual(image);
  expect(performance.now() - startedMs).toBeLessThan(2000);
});

test('the image ships no host keys and no password', async () => {
  const container = await start({ Entrypoint: ['/bin/sh', '-c', 'ls /etc/ssh; grep ^root: /etc/shadow'], Tty: true });
  await container.wait();
  const output = (await container.logs({ stdout: true, stderr: true })).toString();
  expect(output).not.toMatch(/ssh_host/);
  expect(output).toMatch(/^root:\*:/m);
});

test("a pod presents the lease's host key, takes keys added while it runs, refuses removed ones, and stops at once", async () => {
  const keys = join(sandbox, 'keys');
  const mounted = join(sandbox, 'mounted');
  for (const dir of [keys, mounted]) mkdirSync(dir);
  chmodSync(mounted, 0o755);
  for (const name of ['host', 'one', 'two'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(keys, name)]);
  const publish = (source: string, name: string, mode: number): void => {
    copyFileSync(source, join(mounted, name));
    chmodSync(join(mounted, name), mode);
    chownSync(join(mounted, name), rootUid, rootUid);
  };
  chownSync(mounted, rootUid, rootUid);
  publish(join(keys, 'host'), 'ssh_host_ed25519_key', 0o600);
  publish(join(keys, 'one.pub'), 'authorized_keys', 0o644);
  const container = await start({
    Env: ['GREETING=hello there', 'EMPTY='],
    HostConfig: {
      Binds: [`${mounted}:/run/celium:ro`],
      PortBindings: { '22/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] },
    },
  });
  const port = (await container.inspect()).NetworkSettings.Ports['22/tcp']?.[0]?.HostPort ?? '';
  const { stdout: hostKey } = await run('cut', ['-d', ' ', '-f', '1,2', join(keys, 'host.pub')]);
  writeFileSync(join(keys, 'known_hosts'), `[127.0.0.1]:${port} ${hostKey}`);
  const ssh = (key: string, command: string): ReturnType<typeof runCommand> =>
    runCommand(
      [
        'ssh',
        '-i',
        join(keys, key),
        '-p',
        port,
        '-o',
        'IdentitiesOnly=yes',
        '-o',
        'BatchMode=yes',
        '-o',
        'ConnectionAttempts=20',
        '-o',
        `UserKnownHostsFile=${join(keys, 'known_hosts')}`,
        '-o',
        'StrictHostKeyChecking=yes',
        'root@127.0.0.1',
        command,
      ],
      { timeoutMs: 30_000 },
    );
  const first = await ssh('one', 'echo "$GREETING as $(id -un)"');
  expect(first.output).toContain('hello there as root');
  expect((await ssh('two', 'true')).status).toBe(255);
  publish(join(keys, 'two.pub'), 'authorized_keys', 0o644);
  expect((await ssh('two', 'true')).status).toBe(0);
  expect((await ssh('one', 'true')).status, 'a removed key no longer opens a running pod').toBe(255);
  const startedMs = performance.now();
  await container.stop({ t: 10 });
  expect(performance.now() - startedMs).toBeLessThan(2000);
  expect((await container.inspect()).State.ExitCode).not.toBe(137);
}, 60_000);

test('the tools folder runs read-only in an image that holds nothing but busybox, under remapped users', async () => {
  const prover = join(sandbox, 'prover.mjs');
  writeFileSync(
    prover,
    'console.log(JSON.stringify({ node: process.version, uid: process.getuid(), args: process.argv.slice(2) }));',
  );
  const options = { dir: join(sandbox, 'tools'), nodePath: process.execPath, proverBundlePath: prover };
  const [tools, same] = await Promise.all([buildToolsFolder(options), buildToolsFolder(options)]);
  expect(same).toEqual(tools);
  const before = statSync(join(tools.path, 'prover')).ino;
  expect(await buildToolsFolder(options)).toEqual(tools);
  expect(statSync(join(tools.path, 'prover')).ino, 'built once, then reused').toBe(before);

  await importBusybox();
  const container = await start({
    Image: 'celium-test/busybox:1',
    Cmd: ['/bin/sh', '-c', `${toolsMountPath}/prover a 'b c'; touch ${toolsMountPath}/x || echo read-only`],
    Tty: true,
    HostConfig: { Binds: [`${tools.path}:${toolsMountPath}:ro`] },
  });
  await container.wait();
  const output = (await container.logs({ stdout: true, stderr: true })).toString();
  expect(output).toContain(JSON.stringify({ node: process.version, uid: 0, args: ['a', 'b c'] }));
  expect(output).toContain('read-only');
  writeFileSync(prover, 'console.log("changed")');
  expect((await buildToolsFolder(options)).hash).not.toBe(tools.hash);
}, 120_000);

/** An image of one static program, made on the spot, since no registry need answer. */
async function importBusybox(): Promise<void> {
  const root = join(sandbox, 'busybox');
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, '.celium'));
  if (!findProgram('busybox')) await installPackages(['busybox-static'], () => undefined);
  const busybox = findProgram('busybox') ?? '/bin/busybox';
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const name of ['sh', 'touch', 'echo']) copyFileSync(busybox, join(root, 'bin', name));
  await run('tar', ['-cf', join(sandbox, 'busybox.tar'), '-C', root, '.']);
  const stream = await docker.importImage(join(sandbox, 'busybox.tar'), { repo: 'celium-test/busybox', tag: '1' });
  for await (const _ of stream) continue;
}
