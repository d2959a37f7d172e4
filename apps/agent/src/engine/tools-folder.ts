/** Assembles the read-only folder that every pod gets: Node with its own loader and libraries, and the prover. */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  createReadStream,
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { findProgram, runCommand } from './command.ts';

/** Where the folder is mounted in a pod. */
export const toolsMountPath = '/.celium';

const LDD_TIMEOUT_MS = 10_000;

/**
 * `dir` gets one folder per content; `nodePath` is the Node to ship; `proverBundlePath` is the prover's bundle, a
 * single .mjs file, or a folder of files among which `prover.mjs` is the program.
 */
export type ToolsFolderOptions = { dir: string; nodePath: string; proverBundlePath: string };

/** `path` is mounted read-only at `toolsMountPath`; `hash` (64 hex) changes when any file's content does. */
export type ToolsFolder = { path: string; hash: string };

type Part = { name: string; source: string; mode: number };

/**
 * Builds the folder, or finds it complete from an earlier call. It is world-readable, so it also serves pods whose
 * users are remapped, and it runs in an image that holds nothing but a shell. Two calls at once both succeed.
 */
export async function buildToolsFolder(options: ToolsFolderOptions): Promise<ToolsFolder> {
  const node = realpathSync(options.nodePath);
  const { loader, libraries } = await findLibraries(node);
  const parts: Part[] = [
    { name: 'node', source: node, mode: 0o755 },
    { name: `lib/${basename(loader)}`, source: realpathSync(loader), mode: 0o755 },
    ...libraries.map((path) => ({ name: `lib/${basename(path)}`, source: realpathSync(path), mode: 0o644 })),
    ...findProverFiles(options.proverBundlePath),
  ];
  const launcher = launcherText(basename(loader));
  const digest = createHash('sha256').update(launcher);
  for (const part of parts) digest.update(`${part.name}\0`).update(await hashFile(part.source));
  const hash = digest.digest('hex');
  const path = join(options.dir, hash.slice(0, 16));
  if (isComplete(path, parts, launcher)) return { path, hash };

  const partial = join(options.dir, `.partial-${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    for (const folder of [partial, join(partial, 'lib')]) {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o755);
    }
    for (const part of parts) place(part, join(partial, part.name));
    writeFileSync(join(partial, 'prover'), launcher);
    chmodSync(join(partial, 'prover'), 0o755);
    try {
      renameSync(partial, path);
    } catch (fault) {
      // Another call was first, which is as good; or a crash left a broken folder, which goes.
      if (!isComplete(path, parts, launcher)) {
        if ((fault as NodeJS.ErrnoException).code !== 'ENOTEMPTY' && (fault as NodeJS.ErrnoException).code !== 'EEXIST')
          throw fault;
        rmSync(path, { recursive: true, force: true });
        renameSync(partial, path);
      }
    }
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return { path, hash };
}

/** The loader is named outright: LD_LIBRARY_PATH would reach the image's own programs, which keep their own libraries. */
function launcherText(loaderName: string): string {
  return `#!/bin/sh
# Starts the prover with the Node, loader and libraries of this folder, whatever the image holds.
d=\${0%/*}
exec "$d/lib/${loaderName}" --library-path "$d/lib" "$d/node" "$d/prover.mjs" "$@"
`;
}

async function findLibraries(program: string): Promise<{ loader: string; libraries: string[] }> {
  const result = await runCommand([findProgram('ldd') ?? 'ldd', program], { timeoutMs: LDD_TIMEOUT_MS });
  const paths: string[] = [];
  for (const line of result.output.split('\n')) {
    if (line.includes('not found')) throw new Error(`a library of ${program} is missing: ${line.trim()}`);
    const path = /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1];
    if (path !== undefined) paths.push(path);
  }
  const loader = paths.find((path) => /^ld[-.]/.test(basename(path)));
  if (result.status !== 0 || loader === undefined) {
    throw new Error(`ldd could not list the libraries of ${program}: ${result.output.trim().slice(0, 300)}`);
  }
  return { loader, libraries: paths.filter((path) => path !== loader) };
}

function findProverFiles(bundle: string): Part[] {
  if (!statSync(bundle).isDirectory()) return [{ name: 'prover.mjs', source: bundle, mode: 0o644 }];
  const names = readdirSync(bundle).toSorted();
  if (!names.includes('prover.mjs')) throw new Error(`there is no prover.mjs in ${bundle}`);
  return names
    .filter((name) => statSync(join(bundle, name)).isFile())
    .map((name) => ({ name, source: join(bundle, name), mode: 0o644 }));
}

/** Links where that shares 121 MB without changing the original, copies elsewhere. */
function place(part: Part, target: string): void {
  if ((statSync(part.source).mode & 0o755) === part.mode && part.name === 'node') {
    try {
      linkSync(part.source, target);
      return;
    } catch {
      // Another filesystem, or links to files of others are forbidden here.
    }
  }
  copyFileSync(part.source, target);
  chmodSync(target, part.mode);
}

function isComplete(path: string, parts: Part[], launcher: string): boolean {
  try {
    return (
      statSync(join(path, 'prover')).size === Buffer.byteLength(launcher) &&
      parts.every((part) => statSync(join(path, part.name)).size === statSync(part.source).size)
    );
  } catch {
    return false;
  }
}

async function hashFile(path: string): Promise<Buffer> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest();
}
