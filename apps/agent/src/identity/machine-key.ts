/** The machine key: made once per state folder, the only signing key that an agent holds. The manifest delegates it. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromHex, generateKey, keyFromSeed, toHex, type KeyPair } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import { writeNewFile } from './new-file.ts';

const FILE = 'machine-key.json';

/** The machine key of a state folder, made on first use. Throws `BAD_REQUEST` when its file is damaged, `DISK_FULL`. */
export function openMachineKey(stateDir: string): KeyPair {
  const path = join(stateDir, FILE);
  if (!existsSync(path)) {
    const key = generateKey({ randomBytes: (length) => new Uint8Array(randomBytes(length)) });
    const { seed } = key.revealSecrets();
    if (seed === undefined) throw new Error('a new key has a seed');
    const text = JSON.stringify({ type: 'celium-machine-key', seed: toHex(seed), publicKey: toHex(key.publicKey) });
    // Another process may have made one in between; the file that is there counts.
    writeNewFile(path, `${text}\n`, 0o600);
  }
  return readMachineKey(path);
}

function readMachineKey(path: string): KeyPair {
  let content: { seed?: unknown; publicKey?: unknown };
  try {
    content = JSON.parse(readFileSync(path, 'utf8')) as { seed?: unknown; publicKey?: unknown };
  } catch (cause) {
    throw damaged(path, cause);
  }
  const seed = typeof content.seed === 'string' ? fromHex(content.seed, 32) : null;
  if (seed === null) throw damaged(path);
  const key = keyFromSeed(seed);
  if (toHex(key.publicKey) !== content.publicKey) throw damaged(path);
  return key;
}

function damaged(path: string, cause?: unknown): CeliumError {
  return new CeliumError(
    'BAD_REQUEST',
    `the machine key ${path} cannot be read: restore it from a copy, or remove it and join again (the machine gets a new key)`,
    cause === undefined ? {} : { cause },
  );
}
