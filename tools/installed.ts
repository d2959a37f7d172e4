/** Exits 0 when node_modules holds what package-lock.json names for this platform; used by ./celium, so it imports no package. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type LockEntry = {
  version?: string;
  link?: boolean;
  optional?: boolean;
  os?: string | string[];
  cpu?: string | string[];
  libc?: string | string[];
};
type Lockfile = { packages?: Record<string, LockEntry> };

process.exitCode = isInstalled(process.argv[2] ?? process.cwd()) ? 0 : 1;

/** Compares the lockfile with the record that npm leaves in node_modules at the end of a complete install. */
function isInstalled(root: string): boolean {
  let wanted: Lockfile;
  let present: Lockfile;
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lockfile;
    present = JSON.parse(readFileSync(join(root, 'node_modules', '.package-lock.json'), 'utf8')) as Lockfile;
  } catch {
    return false;
  }
  for (const [path, entry] of Object.entries(wanted.packages ?? {})) {
    if (!path.includes('node_modules/') || !fitsPlatform(entry)) continue;
    const found = present.packages?.[path];
    // Packages under an optional package of another platform bear no platform themselves.
    if (!found && entry.optional === true && entry.os === undefined && entry.cpu === undefined) continue;
    if (!found || found.version !== entry.version || found.link !== entry.link) return false;
  }
  return true;
}

function fitsPlatform(entry: LockEntry): boolean {
  return fits(entry.os, process.platform) && fits(entry.cpu, process.arch) && fits(entry.libc, libcName());
}

function fits(allowed: string | string[] | undefined, actual: string): boolean {
  if (allowed === undefined) return true;
  const list = [allowed].flat();
  if (list.includes(`!${actual}`)) return false;
  const named = list.filter((name) => !name.startsWith('!'));
  return named.length === 0 || named.includes(actual);
}

function libcName(): string {
  // Without this the report would look up the names of all network peers.
  const reporter = process.report as typeof process.report & { excludeNetwork?: boolean };
  reporter.excludeNetwork = true;
  const report = reporter.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}
