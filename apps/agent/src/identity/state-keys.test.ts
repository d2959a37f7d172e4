/** The keys in a state folder are made once, kept, private, and never half-written. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openMachineKey } from './machine-key.ts';
import { replaceFile, writeNewFile } from './new-file.ts';
import { openTlsIdentity, tlsKeyHash } from './tls-key.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'celium-keys-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('the machine key stays the same, and its file is the owner’s alone', () => {
  const first = openMachineKey(folder);
  expect(openMachineKey(folder).ss58).toBe(first.ss58);
  expect(statSync(join(folder, 'machine-key.json')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['machine-key.json']);
});

test('a damaged machine key is named, and never replaced behind the owner’s back', () => {
  openMachineKey(folder);
  const path = join(folder, 'machine-key.json');
  const text = readFileSync(path, 'utf8');
  for (const broken of [
    '',
    '{}',
    text.replace(/"seed":"../, '"seed":"zz'),
    text.replace(/"publicKey":"../, '"publicKey":"00'),
  ]) {
    writeFileSync(path, broken);
    expect(() => openMachineKey(folder)).toThrow(/restore it from a copy/);
    expect(readFileSync(path, 'utf8')).toBe(broken);
  }
});

test('the certificate is signed by its own key, valid now, and its key’s hash stays the same', () => {
  const nowMs = Date.UTC(2026, 10, 23);
  const tls = openTlsIdentity(folder, nowMs);
  expect(openTlsIdentity(folder, nowMs + 1_000)).toEqual(tls);
  const certificate = new X509Certificate(tls.certificatePem);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(Date.parse(certificate.validFrom)).toBeLessThan(nowMs);
  expect(Date.parse(certificate.validTo)).toBeGreaterThan(nowMs + 20 * 365 * 24 * 3_600_000);
  expect(tls.keyHash).toBe(tlsKeyHash(tls.keyPem));
});

test('a file that exists is not overwritten, and one that is replaced is whole', () => {
  const path = join(folder, 'file');
  expect(writeNewFile(path, 'one', 0o600)).toBe(true);
  expect(writeNewFile(path, 'two', 0o600)).toBe(false);
  expect(readFileSync(path, 'utf8')).toBe('one');
  replaceFile(path, 'three', 0o600);
  expect(readFileSync(path, 'utf8')).toBe('three');
  expect(readdirSync(folder)).toEqual(['file']);
});
