/** A provider's manifest: signed, its serial only grows, and other machines of the same hotkey stay in it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFromUri, verifyDocument } from '@celium/chain';
import { afterAll, expect, test } from 'vitest';
import { writeManifest, type MachineFacts, type MachineTerms } from './manifest.ts';

const folder = mkdtempSync(join(tmpdir(), 'celium-manifest-'));
afterAll(() => rmSync(folder, { recursive: true }));

const hotkey = keyFromUri('//Provider');
const nowMs = 1_790_000_000_000;
const facts: MachineFacts = {
  machineId: 'one',
  machineKey: 'ab'.repeat(32),
  consent: { issuedAtMs: nowMs, signature: '0'.repeat(128) },
  tlsKeyHash: 'cd'.repeat(32),
  units: ['cpu:one'],
  host: { cpuCores: 2, memoryBytes: 8_000_000_000, diskBytes: 50_000_000_000 },
  declaredWorkPerSecond: 440,
};
const terms: MachineTerms = {
  netuid: 51,
  agentUrl: 'https://127.0.0.1:7750',
  publicHost: '127.0.0.1',
  portRange: { from: 20_000, to: 20_099 },
  priceMicroUsdPerUnitHour: 360_000n,
  markets: [{ url: 'http://127.0.0.1:7740', key: 'ef'.repeat(32) }],
  payoutColdkey: hotkey.ss58,
};

test('what is on disk is signed by the hotkey and says what was decided', async () => {
  const path = join(folder, 'first.json');
  await writeManifest(path, hotkey, facts, { ...terms, coordinates: { latitude: 60.17, longitude: 24.94 } }, nowMs);
  const verified = verifyDocument('manifest', JSON.parse(readFileSync(path, 'utf8')));
  expect(verified).toMatchObject({ ok: true, ss58: hotkey.ss58 });
  expect(verified.ok && verified.body.machines[0]).toMatchObject({
    machineId: 'one',
    declaredWorkPerSecond: 440,
    host: { cpuCores: 2, coordinates: { latitude: 60.17, longitude: 24.94 } },
    offer: { priceMicroUsdPerUnitHour: '360000', committedUntilMs: 0 },
  });
});

test('the serial grows with each join, even when the file was lost or the clock went back', async () => {
  const path = join(folder, 'second.json');
  const serials: number[] = [];
  for (const atMs of [nowMs, nowMs, nowMs - 3_600_000]) {
    serials.push((await writeManifest(path, hotkey, facts, terms, atMs)).body.serial);
  }
  rmSync(path);
  serials.push((await writeManifest(path, hotkey, facts, terms, nowMs + 60_000)).body.serial);
  expect(serials).toEqual([...serials].sort((a, b) => a - b));
  expect(new Set(serials).size).toBe(serials.length);
});

test('a second machine of the hotkey is added, a rejoined one replaced', async () => {
  const path = join(folder, 'third.json');
  await writeManifest(path, hotkey, facts, terms, nowMs);
  const other = { ...facts, machineId: 'two', machineKey: '12'.repeat(32), units: ['cpu:two'] };
  await writeManifest(path, hotkey, other, terms, nowMs);
  const dearer = { ...terms, priceMicroUsdPerUnitHour: 720_000n };
  const { body } = await writeManifest(path, hotkey, facts, dearer, nowMs);
  expect(body.machines.map((machine) => [machine.machineId, machine.offer.priceMicroUsdPerUnitHour])).toEqual([
    ['two', '360000'],
    ['one', '720000'],
  ]);
});

test('a manifest of another hotkey in the same place is not carried on', async () => {
  const path = join(folder, 'fourth.json');
  await writeManifest(
    path,
    keyFromUri('//Other'),
    { ...facts, machineId: 'theirs', units: ['cpu:theirs'] },
    terms,
    nowMs,
  );
  const { body } = await writeManifest(path, hotkey, facts, terms, nowMs);
  expect(body.machines.map((machine) => machine.machineId)).toEqual(['one']);
});

test('what the machine’s library says of its GPUs is in the manifest, anew at each join, and absent on a machine without', async () => {
  const path = join(folder, 'fifth.json');
  const unit = 'GPU-00000001-aaaa';
  const gpus = [{ unit, model: 'NVIDIA H200', memoryBytes: 150_754_820_096 }];
  const first = await writeManifest(path, hotkey, { ...facts, units: [unit], gpus }, terms, nowMs);
  expect(first.body.machines[0]).toMatchObject({ units: [unit], gpus });
  const swapped = [{ unit: 'GPU-00000002-bbbb', model: 'NVIDIA H100', memoryBytes: 85_520_809_984 }];
  const other = { ...facts, units: ['GPU-00000002-bbbb'], gpus: swapped };
  expect((await writeManifest(path, hotkey, other, terms, nowMs)).body.machines[0]).toMatchObject({ gpus: swapped });
  await expect(writeManifest(path, hotkey, { ...facts, gpus }, terms, nowMs)).rejects.toThrow('no unit of one');
  expect((await writeManifest(path, hotkey, facts, terms, nowMs)).body.machines[0]).not.toHaveProperty('gpus');
});
