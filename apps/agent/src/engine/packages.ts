/** Installs Debian packages without questions: sizes and times are told, waits for other package runs are bounded. */
import { readdirSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, runCommand } from './command.ts';
import { EngineFailure, explainFault } from './failure.ts';
import type { Report } from './progress.ts';

const LISTS_FOLDER = '/var/lib/apt/lists';
const LISTS_MAX_AGE_MS = 24 * 60 * 60 * 1000;
const UPDATE_TIMEOUT_MS = 180_000;
const INSTALL_TIMEOUT_MS = 600_000;
const LOCK_ATTEMPTS = 24;
const LOCK_WAIT_MS = 5000;

const aptOptions = [
  '-o',
  'DPkg::Lock::Timeout=120',
  '-o',
  'Acquire::Retries=2',
  '-o',
  'Acquire::http::Timeout=20',
  '-o',
  'Acquire::https::Timeout=20',
];
const aptEnvironment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };

/** True where packages can be installed by us: apt is here and we are root. */
export function canInstallPackages(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
}

/**
 * Installs the named packages with their hard dependencies only. Refreshes the package lists when they are missing,
 * older than a day, or turn out to be stale. Throws EngineFailure when apt fails or another run holds its lock too long.
 */
export async function installPackages(names: readonly string[], report: Report): Promise<void> {
  let refreshed = false;
  if (listsAreOld()) {
    await updateLists(report);
    refreshed = true;
  }
  let result = await runInstall(names, report);
  if (
    result.status !== 0 &&
    !refreshed &&
    /404|unable to locate|unable to fetch|no installation candidate/i.test(result.output)
  ) {
    await updateLists(report);
    result = await runInstall(names, report);
  }
  if (result.status === 0) return;
  const lastLines = result.output.trim().split('\n').slice(-5).join('\n');
  throw explainFault(
    new Error(lastLines),
    new EngineFailure(
      'ENGINE_START_FAILED',
      `Installing ${names.join(', ')} ${result.timedOut ? 'took more than 10 minutes' : 'failed'}:\n${lastLines}`,
      `Run "apt-get update && apt-get install --no-install-recommends ${names.join(' ')}" as root and look at what it says.`,
    ),
  );
}

async function updateLists(report: Report): Promise<void> {
  report('refreshing package lists');
  // A source that does not answer must not stop the set-up: the other sources may hold all we need.
  await runUnlocked(
    ['apt-get', ...aptOptions, 'update'],
    UPDATE_TIMEOUT_MS,
    () => undefined,
    () => undefined,
  );
}

async function runInstall(
  names: readonly string[],
  report: Report,
): Promise<{ status: number | null; output: string; timedOut: boolean }> {
  let totalBytes: number | undefined;
  const onLine = (line: string): void => {
    const size = /Need to get (?:[\d.,]+ ?[kMG]?B\/)?([\d.,]+) ?([kMG]?)B/.exec(line);
    if (size) totalBytes = Math.round(Number((size[1] ?? '0').replaceAll(',', '')) * unitOf(size[2] ?? ''));
  };
  let lastPercent = -10;
  const onStatusLine = (line: string): void => {
    const [kind, , percentText, text] = line.split(':');
    const percent = Number(percentText);
    if (!Number.isFinite(percent) || (kind !== 'dlstatus' && kind !== 'pmstatus')) return;
    if (Math.abs(percent - lastPercent) < 10) return;
    lastPercent = percent;
    if (kind === 'dlstatus' && totalBytes !== undefined) {
      report('downloading', Math.round((totalBytes * percent) / 100), totalBytes);
    } else
      report(`${kind === 'dlstatus' ? 'downloading' : 'installing'} ${Math.round(percent)} % ${text ?? ''}`.trim());
  };
  const result = await runUnlocked(
    ['apt-get', ...aptOptions, '-o', 'APT::Status-Fd=3', 'install', '-y', '--no-install-recommends', ...names],
    INSTALL_TIMEOUT_MS,
    onLine,
    onStatusLine,
  );
  if (result.status === 0) report(names.join(' '), totalBytes ?? 0, totalBytes ?? 0);
  return result;
}

async function runUnlocked(
  argv: readonly string[],
  timeoutMs: number,
  onLine: (line: string) => void,
  onStatusLine: (line: string) => void,
): Promise<{ status: number | null; output: string; timedOut: boolean }> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await runCommand(argv, { timeoutMs, env: aptEnvironment, onLine, onStatusLine });
    const locked = result.status !== 0 && /could not get lock|unable to lock/i.test(result.output);
    if (!locked || attempt >= LOCK_ATTEMPTS) return result;
    await sleep(LOCK_WAIT_MS);
  }
}

function listsAreOld(): boolean {
  try {
    const indexes = readdirSync(LISTS_FOLDER).filter((name) => name.includes('_Packages'));
    if (indexes.length === 0) return true;
    // Indexes keep the archive's own times; the folder's partial/ tells when we last asked.
    return Date.now() - statSync(`${LISTS_FOLDER}/partial`).mtimeMs > LISTS_MAX_AGE_MS;
  } catch {
    return true;
  }
}

function unitOf(prefix: string): number {
  if (prefix === 'k') return 1000;
  if (prefix === 'M') return 1_000_000;
  if (prefix === 'G') return 1_000_000_000;
  return 1;
}
