/** Makes a Debian base image from packages with mmdebstrap and imports it, for machines that reach no image registry. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { findImage } from './find-image.ts';
import { findProgram, runCommand } from './command.ts';
import { EngineFailure } from './failure.ts';
import { canInstallPackages, installPackages } from './packages.ts';
import { formatBytes, runStep, type Progress } from './progress.ts';

const suite = 'bookworm';
const repository = 'celium/debian';
const BOOTSTRAP_TIMEOUT_MS = 600_000;
const IMPORT_TIMEOUT_MS = 300_000;
// A mirror moves on; after a month the next image is made from fresh packages.
const CACHE_PERIOD_MS = 30 * 24 * 60 * 60 * 1000;

/** `packages` come on top of Debian's minimal variant; the tarball is kept in `cacheDir` by content key. */
export type DebianBaseOptions = {
  docker: Docker;
  socket: string;
  cacheDir: string;
  packages: readonly string[];
  progress: Progress;
};

/** Returns the tag of the imported base, making the tarball first when the cache has none for these packages. */
export async function importDebianBase(options: DebianBaseOptions): Promise<string> {
  const key = createHash('sha256')
    .update(JSON.stringify([suite, process.arch, options.packages]))
    .digest('hex')
    .slice(0, 12);
  const tag = `${repository}:${suite}-${key}`;
  if (await findImage(options.socket, tag)) return tag;
  mkdirSync(options.cacheDir, { recursive: true });
  const tarball = join(options.cacheDir, `debian-${suite}-${key}.tar`);
  if (!isFresh(tarball)) await makeTarball(options, tarball);
  await runStep(options.progress, 'debian import', async (report) => {
    const stream = await options.docker.importImage(createReadStream(tarball), {
      repo: repository,
      tag: `${suite}-${key}`,
      changes: 'CMD ["/bin/bash"]',
      abortSignal: AbortSignal.timeout(IMPORT_TIMEOUT_MS),
    });
    await drain(stream);
    if (!(await findImage(options.socket, tag))) throw new Error(`the engine imported ${tarball} but has no ${tag}`);
    report(`${tag}, ${formatBytes(statSync(tarball).size)}`);
  });
  return tag;
}

async function makeTarball(options: DebianBaseOptions, tarball: string): Promise<void> {
  if (!findProgram('mmdebstrap')) {
    if (!canInstallPackages()) {
      throw new EngineFailure(
        'IMAGE_UNAVAILABLE',
        'No image registry answers, and mmdebstrap, which would make a base from Debian packages, is not installed.',
        'Make a registry reachable, or install mmdebstrap, or run the command as root on Debian or Ubuntu.',
      );
    }
    await runStep(options.progress, 'mmdebstrap package', (report) => installPackages(['mmdebstrap'], report));
  }
  await runStep(options.progress, 'debian base', async (report) => {
    report(`${options.packages.length} packages and what they need`);
    const partial = `${tarball}.partial-${process.pid}`;
    let lastLine = '';
    const result = await runCommand(
      [
        'mmdebstrap',
        '--format=tar',
        '--variant=minbase',
        `--include=${options.packages.join(',')}`,
        ...trimming,
        suite,
        partial,
      ],
      {
        timeoutMs: BOOTSTRAP_TIMEOUT_MS,
        onLine: (line) => {
          const told = /^I: (.+?)(\.\.\.)?$/.exec(line)?.[1];
          if (told === undefined || told === lastLine) return;
          lastLine = told;
          report(told);
        },
      },
    );
    if (result.status !== 0) {
      rmSync(partial, { force: true });
      const end = result.output.trim().split('\n').slice(-6).join('\n');
      throw new Error(`mmdebstrap ${result.timedOut ? 'took more than 10 minutes' : 'failed'}:\n${end}`);
    }
    for (const name of readdirSync(options.cacheDir)) {
      if (/^debian-.*\.tar$/.test(name)) rmSync(join(options.cacheDir, name), { force: true });
    }
    renameSync(partial, tarball);
    report(tarball, statSync(tarball).size, statSync(tarball).size);
  });
}

/** Leaves out what a pod never reads: manual pages, translations, documents but the licences. */
const trimming = [
  '--dpkgopt=path-exclude=/usr/share/man/*',
  '--dpkgopt=path-exclude=/usr/share/locale/*',
  '--dpkgopt=path-exclude=/usr/share/doc/*',
  '--dpkgopt=path-include=/usr/share/doc/*/copyright',
];

function isFresh(path: string): boolean {
  return existsSync(path) && Date.now() - statSync(path).mtimeMs < CACHE_PERIOD_MS;
}

async function drain(stream: NodeJS.ReadableStream): Promise<void> {
  let text = '';
  for await (const chunk of stream) text = `${text}${String(chunk)}`.slice(-4096);
  const error = /"error":\s*"([^"]*)"/.exec(text)?.[1];
  if (error !== undefined) throw new Error(error);
}
