/** The keys of a lease are where its pod sees them, change in one step, and go with the lease. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StateLeaseFolders } from './lease-folder.ts';

let folder = '';
let folders: StateLeaseFolders;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-folders-'));
  folders = new StateLeaseFolders(folder, null);
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the host key is for its owner only, the authorized keys are one a line', async () => {
  await folders.create('lease', 'HOST KEY', ['ssh-ed25519 A', 'ssh-ed25519 B']);
  const path = folders.path('lease');
  expect(readFileSync(join(path, 'ssh_host_ed25519_key'), 'utf8')).toBe('HOST KEY');
  expect(statSync(join(path, 'ssh_host_ed25519_key')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(path, 'authorized_keys'), 'utf8')).toBe('ssh-ed25519 A\nssh-ed25519 B\n');
  expect(folders.hasKey('lease')).toBe(true);
});

test('changed keys replace the old ones whole, and no partial file stays', async () => {
  await folders.create('lease', 'HOST KEY', ['ssh-ed25519 A']);
  const before = statSync(join(folders.path('lease'), 'authorized_keys')).ino;
  await folders.writeKeys('lease', []);
  expect(readFileSync(join(folders.path('lease'), 'authorized_keys'), 'utf8')).toBe('');
  expect(statSync(join(folders.path('lease'), 'authorized_keys')).ino).not.toBe(before);
  expect(readdirSync(folders.path('lease')).sort()).toEqual(['authorized_keys', 'ssh_host_ed25519_key']);
});

test('what cannot be given to a pod’s root is packed for it instead', async () => {
  expect(folders.delivery).toBe('copied');
  expect(new StateLeaseFolders(folder, { uid: 0, gid: 0 }).delivery).toBe('mounted');
  await folders.create('lease', 'HOST KEY', ['ssh-ed25519 A']);
  expect(await folders.pack('lease')).toEqual([
    { path: 'run/celium/ssh_host_ed25519_key', content: 'HOST KEY', mode: 0o600 },
    { path: 'run/celium/authorized_keys', content: 'ssh-ed25519 A\n', mode: 0o644 },
  ]);
});

test('an ended lease leaves no key, and neither does one that a crash cut off', async () => {
  for (const id of ['kept', 'ended', 'stray']) await folders.create(id, 'HOST KEY', []);
  await folders.remove('ended');
  await folders.removeStrays(new Set(['kept']));
  expect(readdirSync(join(folder, 'leases'))).toEqual(['kept']);
});
