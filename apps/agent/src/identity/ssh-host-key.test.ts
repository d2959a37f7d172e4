/** Host keys are written as OpenSSH reads them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeSshHostKey, makeSshHostKey } from './ssh-host-key.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'celium-key-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('ssh-keygen reads the private key file and finds the public key of the grant in it', () => {
  for (let n = 0; n < 5; n += 1) {
    const key = makeSshHostKey();
    const path = join(folder, `key-${n}`);
    writeFileSync(path, key.privateKeyFile, { mode: 0o600 });
    expect(execFileSync('ssh-keygen', ['-y', '-f', path], { encoding: 'utf8' }).trim()).toBe(key.publicKeyLine);
  }
});

test('two leases never share a host key', () => {
  expect(makeSshHostKey().publicKeyLine).not.toBe(makeSshHostKey().publicKeyLine);
});

test('a key of the wrong length is never written', () => {
  expect(() => encodeSshHostKey(new Uint8Array(31), new Uint8Array(32), new Uint8Array(4))).toThrow(RangeError);
});
