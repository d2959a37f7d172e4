/** Which manifests are believed: signed by the hotkey they name, for our subnet, and never older than one that was seen. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri, signConsent, signDocument, type KeyPair } from '@celium/chain';
import type { ManifestMachine } from '@celium/contract';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../state/database.ts';
import { GIVEN_CONSENT, LocalAgent } from '../testing/local-agent.ts';
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

/** A manifest of another hotkey that lists our agent's machine, with what it can show of the machine key's consent. */
async function listedBy(hotkey: KeyPair, change: Partial<ManifestMachine>, serial = 1): Promise<unknown> {
  const { body } = await agent.manifest();
  const machines = body.machines.map((machine) => ({ ...machine, ...change }));
  return signDocument('manifest', { ...body, hotkey: hotkey.ss58, serial, machines }, hotkey);
}

const owners = (directory: ManifestDirectory): string[] => directory.machines().map(({ hotkey }) => hotkey);

test('who lists another’s machine key changes nothing for its owner, and gets nothing', async () => {
  const thief = keyFromUri('//thief');
  const { provider, key } = agent;
  const agreed = { hotkey: thief.ss58, machineId: 'box', issuedAtMs: 9 };
  const forged = await signConsent(thief, agreed);
  const toOtherId = await signConsent(key, { ...agreed, machineId: 'other' });
  // No consent, the one to the owner, one of the thief's own key, and one to another machine of his.
  for (const change of [{ consent: undefined }, {}, { consent: forged }, { consent: toOtherId }]) {
    const directory = new ManifestDirectory(database);
    directory.take(await listedBy(thief, change), here, 1);
    expect(owners(directory)).toEqual([]);
    directory.take(await agent.manifest(), here, 1);
    expect(owners(directory)).toEqual([provider.ss58]);
    database.exec('DELETE FROM manifests');
  }
});

test('a machine that moves is with the hotkey that its key named last, whatever the former owner still lists', async () => {
  const buyer = keyFromUri('//buyer');
  const consent = await signConsent(agent.key, { hotkey: buyer.ss58, machineId: 'box', issuedAtMs: 2 });
  const directory = new ManifestDirectory(database);
  directory.take(await agent.manifest(), here, 1);
  directory.take(await listedBy(buyer, { consent }), here, 1);
  expect(owners(directory)).toEqual([buyer.ss58]);
  directory.take(await agent.manifest(2), here, 1);
  expect(owners(directory)).toEqual([buyer.ss58]);
  expect(owners(new ManifestDirectory(database))).toEqual([buyer.ss58]);
  directory.take(await listedBy(buyer, { machineId: 'another-box', units: ['cpu:another-box'] }, 2), here, 1);
  expect(owners(directory)).toEqual([agent.provider.ss58]);
});

test('a machine key that consents to two hotkeys at one moment is with neither', async () => {
  const twin = keyFromUri('//twin');
  const consent = await signConsent(agent.key, { hotkey: twin.ss58, machineId: 'box', issuedAtMs: 1 });
  const directory = new ManifestDirectory(database);
  directory.take(await agent.manifest(), here, 1);
  directory.take(await listedBy(twin, { consent }), here, 1);
  expect(owners(directory)).toEqual([]);
});

test('the consents of a large manifest are checked a few at a time, each once', async () => {
  const names = Array.from({ length: 30 }, (_, index) => `m${index}`);
  const machines = names.map((machineId, index) => ({
    ...agent.machine,
    machineId,
    machineKey: index.toString(16).padStart(64, '0'),
    units: [`cpu:${machineId}`],
    consent: GIVEN_CONSENT,
  }));
  let checks = 0;
  const directory = new ManifestDirectory(database, () => (checks += 1) > 0);
  directory.take(await agent.manifest(1, { machines }), here, 1);
  const perTurn = directory.machines().length;
  expect(perTurn).toBeLessThan(10);
  const seen: number[] = [];
  await directory.admit(async () => void seen.push(directory.machines().length));
  expect(directory.machines()).toHaveLength(names.length);
  expect(seen.every((count, index) => count - (seen[index - 1] ?? perTurn) <= perTurn)).toBe(true);
  directory.take(await agent.manifest(2, { machines: machines.slice(1) }), here, 1);
  await directory.admit(async () => {});
  expect(directory.machines()).toHaveLength(names.length - 1);
  expect(checks).toBe(names.length);
});

test('a simulated machine is not listed', async () => {
  const directory = new ManifestDirectory(database);
  directory.take(await agent.manifest(1, { machines: [{ ...agent.machine, simulated: true }] }), here, 1);
  expect(directory.machines()).toEqual([]);
});
