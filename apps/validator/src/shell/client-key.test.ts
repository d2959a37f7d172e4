/** One-time keys can be read, every one of them, by ssh2 and by OpenSSH. */

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSshPublicKey } from '@celium/domain';
import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { makeClientKey } from './client-key.ts';

test('every key, those with leading zeros among them, are read back and sign', () => {
  const data = Buffer.from('to be signed');
  for (let count = 0; count < 256; count += 1) {
    // Every fourth seed begins with a zero byte, which is what ssh2's own generator loses.
    const { publicLine, privateKey } = makeClientKey((length) => {
      const bytes = createHash('sha512').update(`${count}/${length}`).digest().subarray(0, length);
      if (count % 4 === 0) bytes[0] = 0;
      return bytes;
    });
    expect(parseSshPublicKey(publicLine)).toMatchObject({ ok: true });
    const secret = ssh2.utils.parseKey(privateKey);
    const open = ssh2.utils.parseKey(publicLine);
    if (secret instanceof Error || open instanceof Error) throw new Error(`key ${count} cannot be read`);
    expect(open.verify(data, secret.sign(data))).toBe(true);
  }
});

test('OpenSSH derives the same public key', () => {
  const folder = mkdtempSync(join(tmpdir(), 'celium-key-'));
  const file = join(folder, 'id');
  const { publicLine, privateKey } = makeClientKey(randomBytes);
  writeFileSync(file, privateKey, { mode: 0o600 });
  const derived = execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim();
  rmSync(folder, { recursive: true });
  expect(derived).toBe(publicLine);
});
