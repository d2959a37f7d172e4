/** Which manifests are believed: signed by the hotkey they name, for our subnet, and never older than one that was seen. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri, signDocument } from '@celium/chain';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../state/database.ts';
import { LocalAgent } from '../testing/local-agent.ts';
import { ManifestDirectory } from './manifest-directory.ts';

let folder = '';
let database: ReturnType<typeof openDatabase>;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-manifests-'));
  database = openDatabase(folder);
});
afterEach(() => {
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const agent = new LocalAgent({ nowMs: () => 1 });
const here = { netuid: 51 };

test('a newer serial replaces an older one, also after a restart; the older never comes back', async () => {
  const first = new ManifestDirectory(database);
  expect(first.take(await agent.manifest(2), here, 1)).toEqual({ ok: true, news: true });
  expect(first.take(await agent.manifest(2), here, 1)).toEqual({ ok: true, news: false });
  expect(first.take(await agent.manifest(1), here, 1)).toMatchObject({ ok: false, code: 'CONFLICT' });
  const again = new ManifestDirectory(database);
  expect(again.machines()).toHaveLength(1);
  expect(again.take(await agent.manifest(1), here, 1)).toMatchObject({ ok: false, code: 'CONFLICT' });
  expect(again.take(await agent.manifest(3, { machines: [] }), here, 1)).toEqual({ ok: true, news: true });
  expect(again.machines()).toEqual([]);
});

test('a manifest that another key signed, or that was changed, is refused', async () => {
  const directory = new ManifestDirectory(database);
  const signed = await agent.manifest();
  const forged = await signDocument('manifest', signed.body, keyFromUri('//thief'));
  expect(directory.take(forged, here, 1)).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
  const changed = { ...signed, body: { ...signed.body, serial: 9 } };
  expect(directory.take(changed, here, 1)).toMatchObject({ ok: false, code: 'SIGNATURE_WRONG' });
  expect(directory.take({ hello: 'world' }, here, 1)).toMatchObject({ ok: false, code: 'BAD_REQUEST' });
  expect(directory.size).toBe(0);
});

test('an axon serves the manifest of its own hotkey, for this subnet', async () => {
  const directory = new ManifestDirectory(database);
  const signed = await agent.manifest();
  const other = { netuid: 51, hotkey: keyFromUri('//other').ss58 };
  expect(directory.take(signed, other, 1)).toMatchObject({ ok: false, code: 'KEY_NOT_DELEGATED' });
  expect(directory.take(signed, { netuid: 7 }, 1)).toMatchObject({ ok: false, code: 'CONFLICT' });
  expect(directory.take(signed, { netuid: 51, hotkey: agent.provider.ss58 }, 1).ok).toBe(true);
});

test('a machine key that two hotkeys list belongs to neither', async () => {
  const directory = new ManifestDirectory(database);
  directory.take(await agent.manifest(), here, 1);
  expect(directory.machines()).toHaveLength(1);
  const copy = keyFromUri('//copy');
  const body = { ...(await agent.manifest()).body, hotkey: copy.ss58 };
  directory.take(await signDocument('manifest', body, copy), here, 1);
  expect(directory.machines()).toEqual([]);
});

test('a simulated machine is not listed', async () => {
  const directory = new ManifestDirectory(database);
  directory.take(await agent.manifest(1, { machines: [{ ...agent.machine, simulated: true }] }), here, 1);
  expect(directory.machines()).toEqual([]);
});
