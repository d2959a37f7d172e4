/** `./celium` itself: finds its Node, works from anywhere, installs once, and ends with a remedy when it cannot. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('..', import.meta.url));
const nodeFolder = dirname(process.execPath);
const version = '24.21.0';
let sandbox: string;

beforeAll(() => {
  sandbox = mkdtempSync(join(tmpdir(), 'celium-entry-'));
});
afterAll(() => {
  rmSync(sandbox, { recursive: true, force: true });
});

/** A checkout with the real entry, an empty lockfile and a CLI that prints how it was called. */
function makeCheckout(name: string): string {
  const root = join(sandbox, name);
  mkdirSync(join(root, 'apps/cli/src'), { recursive: true });
  mkdirSync(join(root, 'tools'));
  copyFileSync(join(repository, 'celium'), join(root, 'celium'));
  copyFileSync(join(repository, 'tools/installed.ts'), join(root, 'tools/installed.ts'));
  writeFileSync(join(root, 'package.json'), '{"name":"empty","version":"1.0.0","private":true,"type":"module"}');
  writeFileSync(
    join(root, 'package-lock.json'),
    '{"name":"empty","version":"1.0.0","lockfileVersion":3,"requires":true,"packages":{"":{"name":"empty","version":"1.0.0"}}}',
  );
  const print =
    'console.log(JSON.stringify({ node: process.version, args: process.argv.slice(2), cwd: process.cwd() }))';
  writeFileSync(join(root, 'apps/cli/src/main.ts'), print);
  return root;
}

type Run = { status: number | null; stdout: string; stderr: string; ms: number };

async function run(program: string, args: string[], env: Record<string, string>, cwd = '/'): Promise<Run> {
  const startedMs = performance.now();
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr, ms: performance.now() - startedMs }));
  });
}

/** A folder whose `node` is too old, with npm absent unless `withNpm` brings the one of this Node's machine. */
function makeOldPath(name: string): string {
  const folder = join(sandbox, `bin-${name}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'node'), '#!/bin/sh\necho v20.20.2\n');
  chmodSync(join(folder, 'node'), 0o755);
  for (const program of [
    'sh',
    'dirname',
    'readlink',
    'uname',
    'sed',
    'date',
    'mkdir',
    'rm',
    'mv',
    'cp',
    'cmp',
    'tail',
    'sleep',
    'flock',
    'timeout',
    'sha256sum',
    'env',
  ]) {
    for (const home of ['/usr/bin', '/bin']) {
      if (existsSync(join(home, program)) && !existsSync(join(folder, program)))
        symlinkSync(join(home, program), join(folder, program));
    }
  }
  return folder;
}

test('it works from any folder and through links, passes arguments unchanged, and is quiet when nothing is to do', async () => {
  const root = makeCheckout('links');
  symlinkSync(join(root, 'celium'), join(sandbox, 'one'));
  symlinkSync('one', join(sandbox, 'two'));
  const env = { PATH: `${nodeFolder}:${process.env.PATH}`, HOME: sandbox };
  const first = await run(join(sandbox, 'two'), ['ps', 'a b', '--x=*'], env, '/tmp');
  expect(first.status, first.stderr).toBe(0);
  expect(JSON.parse(first.stdout)).toEqual({ node: process.version, args: ['ps', 'a b', '--x=*'], cwd: '/tmp' });
  expect(first.stderr).toMatch(/installing packages: done in \d+ s/);
  const second = await run(join(sandbox, 'two'), ['ps'], env);
  expect(second.stderr).toBe('');
  writeFileSync(
    join(root, 'package-lock.json'),
    readFileSync(join(root, 'package-lock.json'), 'utf8').replaceAll('1.0.0', '1.0.1'),
  );
  writeFileSync(join(root, 'package.json'), readFileSync(join(root, 'package.json'), 'utf8').replace('1.0.0', '1.0.1'));
  const third = await run(join(sandbox, 'two'), ['ps'], env);
  expect(third.status, third.stderr).toBe(0);
});

test('with an old Node on the path the cached runtime runs, and HOME may be empty', async () => {
  const root = makeCheckout('cached');
  const folder = join(root, `.state/cache/node-${version}/bin`);
  mkdirSync(folder, { recursive: true });
  symlinkSync(process.execPath, join(folder, 'node'));
  mkdirSync(join(root, 'node_modules'));
  copyFileSync(join(root, 'package-lock.json'), join(root, 'node_modules/.celium-lock'));
  const result = await run(join(root, 'celium'), ['version'], { PATH: makeOldPath('cached'), HOME: '' });
  expect(result.status, result.stderr).toBe(0);
  expect(JSON.parse(result.stdout)).toMatchObject({ node: process.version, args: ['version'] });
});

test('two first calls at once do not collide', async () => {
  const root = makeCheckout('twice');
  const env = { PATH: `${nodeFolder}:${process.env.PATH}`, HOME: sandbox };
  const runs = await Promise.all([run(join(root, 'celium'), ['a'], env), run(join(root, 'celium'), ['b'], env)]);
  expect(runs.map((each) => each.status)).toEqual([0, 0]);
  expect(runs.filter((each) => each.stderr.includes('installing packages: done'))).toHaveLength(1);
});

test('without npm and without a new Node there is one clear error with the remedy', async () => {
  const result = await run(join(makeCheckout('bare'), 'celium'), ['version'], {
    PATH: makeOldPath('bare'),
    HOME: sandbox,
  });
  expect(result.status).toBe(1);
  expect(result.stdout).toBe('');
  expect(result.stderr).toMatch(/neither Node 24 nor npm/);
  expect(result.stderr).toMatch(/What to do: Install Node 24/);
});

test('a registry that hangs is given up after a bound, and leaves nothing half-done', async () => {
  const root = makeCheckout('hang');
  cpSync(join(repository, 'package-lock.json'), join(root, 'package-lock.json'));
  const registry = createServer(() => undefined).listen(0, '127.0.0.1');
  await new Promise((resolve) => registry.once('listening', resolve));
  const { port } = registry.address() as { port: number };
  const cache = join(sandbox, 'hang-cache');
  const oldPath = makeOldPath('hang');
  // The real npm, run by a real Node under another name: the entry sees only the old one.
  writeFileSync(join(oldPath, 'npm'), `#!/bin/sh\nexec ${process.execPath} ${findNpmScript()} "$@"\n`);
  chmodSync(join(oldPath, 'npm'), 0o755);
  const result = await run(join(root, 'celium'), ['version'], {
    PATH: oldPath,
    HOME: sandbox,
    XDG_CACHE_HOME: cache,
    CELIUM_INSTALL_TIMEOUT_S: '2',
    npm_config_registry: `http://127.0.0.1:${port}/`,
    npm_config_cache: join(sandbox, 'npm-cache'),
  });
  registry.close();
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/not done after \d+ s; the registry may hang/);
  expect(result.stderr).toMatch(/What to do: Check the network/);
  expect(result.ms).toBeLessThan(15_000);
  expect(existsSync(join(cache, 'celium', `node-${version}`))).toBe(false);
});

function findNpmScript(): string {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const candidate = join(folder, '../lib/node_modules/npm/bin/npm-cli.js');
    if (existsSync(candidate)) return candidate;
    if (existsSync(join(folder, '../share/nodejs/npm/bin/npm-cli.js')))
      return join(folder, '../share/nodejs/npm/bin/npm-cli.js');
  }
  throw new Error('this test needs npm on the path');
}
