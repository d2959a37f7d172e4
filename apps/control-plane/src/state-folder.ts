/** The market's state folder: one process at a time, its key, the operator's key and its secret, all readable by the owner only. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  chmodSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { CeliumError } from '@celium/contract';
import { fromHex, keyFromSeed, toHex, type KeyPair } from '@celium/chain';
import { takeLock, type HeldLock } from './database/server-lock.ts';
import type { Randomness } from './ports.ts';

export interface StateFolder {
  /** sr25519: authority of the market's lease requests. */
  key: KeyPair;
  /** `cel_op_...`: whoever reads this file is the operator. */
  operatorKey: string;
  operatorKeyFile: string;
  /** Signs what only the market itself checks. */
  secret: string;
  release(): void;
}

/** Opens the folder, and makes what is missing. Throws STATE_LOCKED or DISK_FULL, and then nothing half-made is left. */
export function openStateFolder(stateDir: string, randomness: Randomness): StateFolder {
  let lock: HeldLock | undefined;
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    restrict(stateDir);
    lock = takeLock(join(stateDir, 'market.lock'));
    if (lock === undefined) throw new CeliumError('STATE_LOCKED', `another market uses ${stateDir}`);
    const hex = (length: number) => (): string => toHex(randomness.bytes(length));
    const seed = fromHex(ensureFile(join(stateDir, 'market.key'), hex(32)), 32);
    if (seed === null)
      throw new CeliumError('BAD_WALLET', `${join(stateDir, 'market.key')} holds no key: 64 hex digits`);
    const operatorKeyFile = join(stateDir, 'operator.key');
    const held = lock;
    return {
      key: keyFromSeed(seed, { randomBytes: (length) => randomness.bytes(length) }),
      operatorKey: ensureFile(operatorKeyFile, () => `cel_op_${hex(32)()}`),
      operatorKeyFile,
      secret: ensureFile(join(stateDir, 'market.secret'), hex(32)),
      release: () => held.release(),
    };
  } catch (fault) {
    lock?.release();
    throw namedFileFault(fault, stateDir);
  }
}

/** A fault of the file system as the error that says what to do; any other as it is. */
export function namedFileFault(fault: unknown, path: string): unknown {
  if (fault instanceof CeliumError) return fault;
  const { code, message } = fault as { code?: unknown; message?: unknown };
  if (code === 'ENOSPC' || code === 'EDQUOT' || /database or disk is full|disk I\/O error/.test(String(message))) {
    return new CeliumError('DISK_FULL', `the disk of ${path} is full`, { cause: fault });
  }
  return fault;
}

/** The database may lie below the folder under another account, which needs to pass through and to see nothing. */
function restrict(stateDir: string): void {
  const mode = statSync(stateDir).mode & 0o777;
  if ((mode & 0o066) !== 0) chmodSync(stateDir, 0o700);
}

/** The content of a secret file, written whole or not at all when it is missing. */
function ensureFile(path: string, make: () => string): string {
  try {
    const kept = readFileSync(path, 'utf8').trim();
    if (kept !== '') return kept;
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'ENOENT') throw fault;
  }
  const content = make();
  const temporary = `${path}.new`;
  try {
    const file = openSync(temporary, 'w', 0o600);
    try {
      writeSync(file, `${content}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (fault) {
    rmSync(temporary, { force: true });
    throw fault;
  }
  return content;
}
