/** The agent believes a manifest only when its hotkey signed it, it names this machine's keys, and it is newer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyFromUri, signConsent, signDocument, toHex, type KeyPair } from '@celium/chain';
import type { Manifest, ManifestMachine } from '@celium/contract';
import { silentLog } from '../log.ts';
import { ManifestSource, readManifest } from './manifest-source.ts';

const hotkey = keyFromUri('//Provider');
const ownKey = keyFromUri('//Machine');
const machineKey = toHex(ownKey.publicKey);
const consent = await signConsent(ownKey, { hotkey: hotkey.ss58, machineId: 'm', issuedAtMs: 1 });
const consentToOther = await signConsent(ownKey, { hotkey: keyFromUri('//Other').ss58, machineId: 'm', issuedAtMs: 1 });
const expected = { machineKey, tlsKeyHash: 'cd'.repeat(32), allowPrivate: false };

const machine: ManifestMachine = {
  machineId: 'm',
  machineKey,
  consent,
  agentUrl: 'https://gpu.example.com:7750',
  tlsKeyHash: 'cd'.repeat(32),
  publicHost: 'gpu.example.com',
  portRange: { from: 20_000, to: 20_099 },
  units: ['cpu:m'],
  offer: { priceMicroUsdPerUnitHour: '1', committedUntilMs: 0 },
  host: { cpuCores: 1, memoryBytes: 1, diskBytes: 0 },
  markets: [],
  payoutColdkey: hotkey.ss58,
};

async function text(change: Partial<ManifestMachine> = {}, serial = 1, signer: KeyPair = hotkey): Promise<string> {
  const body: Manifest = {
    hotkey: hotkey.ss58,
    netuid: 51,
    serial,
    issuedAtMs: 1,
    machines: [{ ...machine, ...change }],
  };
  return JSON.stringify(await signDocument('manifest', body, signer));
}

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'celium-manifest-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('a manifest that names this machine is believed', async () => {
  expect(readManifest(await text(), expected).machine).toEqual(machine);
});

test.each([
  ['another machine key', { machineKey: 'ef'.repeat(32) }, 'KEY_NOT_DELEGATED'],
  ['a listing without this machine’s consent', { consent: undefined }, 'KEY_NOT_DELEGATED'],
  ['this machine’s consent to another hotkey', { consent: consentToOther }, 'KEY_NOT_DELEGATED'],
  ['another TLS key', { tlsKeyHash: 'ef'.repeat(32) }, 'KEY_NOT_DELEGATED'],
  ['a private address for pods', { publicHost: '192.168.1.5' }, 'BAD_REQUEST'],
  ['a private address for the agent', { agentUrl: 'https://127.0.0.1:7750' }, 'BAD_REQUEST'],
])('%s is refused', async (_what, change, code) => {
  const changed = await text(change);
  expect(() => readManifest(changed, expected)).toThrowError(expect.objectContaining({ code }));
});

test('private addresses pass where the provider said so', async () => {
  const changed = await text({ publicHost: '127.0.0.1' });
  expect(readManifest(changed, { ...expected, allowPrivate: true }).machine.publicHost).toBe('127.0.0.1');
});

test('a manifest signed by another key than its hotkey, or changed, is refused', async () => {
  const foreign = await text({}, 1, keyFromUri('//Thief'));
  expect(() => readManifest(foreign, expected)).toThrowError(expect.objectContaining({ code: 'KEY_NOT_DELEGATED' }));
  const changed = (await text()).replace('"serial":1', '"serial":2');
  expect(() => readManifest(changed, expected)).toThrowError(expect.objectContaining({ code: 'SIGNATURE_WRONG' }));
  expect(() => readManifest('{', expected)).toThrowError(expect.objectContaining({ code: 'BAD_REQUEST' }));
});

test('only a newer manifest of the same hotkey replaces the present one', async () => {
  const path = join(folder, 'manifest.json');
  writeFileSync(path, await text({}, 5));
  const source = new ManifestSource(path, expected, 5, silentLog);
  const seen: number[] = [];
  source.onChange((manifest) => seen.push(manifest.signed.body.serial));
  for (const next of [await text({}, 4), '{', await text({}, 9, keyFromUri('//Thief')), await text({}, 7)]) {
    writeFileSync(path, next);
    source.reload();
  }
  expect(seen).toEqual([7]);
  expect(source.current.signed.body.serial).toBe(7);
});

test('a newer manifest without this machine revokes it, and a still newer one may bring it back', async () => {
  const path = join(folder, 'manifest.json');
  writeFileSync(path, await text({}, 5));
  const source = new ManifestSource(path, expected, 5, silentLog);
  writeFileSync(path, await text({ machineKey: 'ef'.repeat(32) }, 6));
  source.reload();
  expect(source.current).toMatchObject({ revoked: true, machine: { machineId: 'm', markets: [] } });
  writeFileSync(path, await text({}, 7));
  source.reload();
  expect(source.current).toMatchObject({ revoked: false, signed: { body: { serial: 7 } } });
});

test('an older manifest than the one last in use does not start the agent; a missing one says what to run', async () => {
  const path = join(folder, 'manifest.json');
  expect(() => new ManifestSource(path, expected, 0, silentLog)).toThrow(/celium provider join/);
  writeFileSync(path, await text({}, 5));
  expect(() => new ManifestSource(path, expected, 6, silentLog)).toThrowError(
    expect.objectContaining({ code: 'CONFLICT' }),
  );
});
