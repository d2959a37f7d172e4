/** What the agent stored is there after it died, and a unit never has two leases. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { leaseRecord } from '../testing/records.ts';
import { LeaseStore } from './lease-store.ts';
import { readyMs } from './lease-record.ts';

let folder = '';
let store: LeaseStore;
const open = (): LeaseStore => new LeaseStore(join(folder, 'leases.sqlite'));
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'celium-store-'));
  store = open();
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

test('leases, fences, ports and tombstones survive a restart', () => {
  const record = leaseRecord(1);
  const { authority, requestId, fence } = record.grant.body;
  store.grant(record);
  store.update(record.leaseId, { podInstance: 'pod' }, false);
  store.end(record.leaseId, { reason: 'stopped', detail: null, atMs: 5 });
  store.close();
  store = open();
  expect(store.lease(record.leaseId)).toMatchObject({ podInstance: 'pod', end: { reason: 'stopped' }, gone: null });
  expect(store.fences()).toEqual(new Map([['cpu:m1', fence]]));
  expect(store.heldPorts()).toEqual(new Set([20_001]));
  expect(store.isBuried(authority, requestId)).toBe(true);
});

test('the database itself refuses a second lease on a unit, and then nothing of it is there', () => {
  store.grant(leaseRecord(1, {}, 'cpu:m'));
  expect(() => store.grant(leaseRecord(2, {}, 'cpu:m'))).toThrow(/UNIQUE/);
  expect(store.all()).toHaveLength(1);
  expect(store.heldPorts()).toEqual(new Set([20_001]));
  expect(store.fences()).toEqual(new Map([['cpu:m', 1_001]]));
});

test('a unit and its ports are free once nothing is left of the pod, and the fence never falls', () => {
  const first = leaseRecord(2, {}, 'cpu:m');
  store.grant(first);
  store.end(first.leaseId, { reason: 'stopped', detail: null, atMs: 5 });
  expect(store.open()).toHaveLength(1);
  store.release(first.leaseId, { cumulativeMs: 7, atMs: 6 });
  expect(store.open()).toEqual([]);
  expect(store.heldPorts()).toEqual(new Set());
  store.grant(leaseRecord(1, {}, 'cpu:m'));
  expect(store.fences().get('cpu:m')).toBe(1_002);
});

test('a grant with other ports lets the old ones go', () => {
  const record = leaseRecord(1, { podInstance: 'pod' });
  store.grant(record);
  const grant = { ...record.grant, body: { ...record.grant.body, ports: [{ pod: 22, host: 20_050 }] } };
  expect(store.regrant(record.leaseId, grant).podInstance).toBe(null);
  expect(store.heldPorts()).toEqual(new Set([20_050]));
});

test('a forgotten lease leaves its tombstone', () => {
  const record = leaseRecord(1);
  const { authority, requestId } = record.grant.body;
  store.grant(record);
  store.end(record.leaseId, { reason: 'stopped', detail: null, atMs: 5 });
  store.release(record.leaseId, { cumulativeMs: 0, atMs: 6 });
  store.forget(record.leaseId);
  expect(store.lease(record.leaseId)).toBeUndefined();
  expect(store.isBuried(authority, requestId)).toBe(true);
  store.forgetTombstonesBefore(6);
  expect(store.isBuried(authority, requestId)).toBe(false);
});

test('a second agent on the same folder is told so', () => {
  expect(open).toThrowError(expect.objectContaining({ code: 'STATE_LOCKED' }));
});

test('readiness counts on this boot’s clock, and after a reboot stays where it was noted', () => {
  const record = leaseRecord(1, { ready: { bootId: 'a', monotonicMs: 1_000, atMs: 0 }, notedReadyMs: 2_000 });
  expect(readyMs(record, 'a', 4_500.9)).toBe(3_500);
  expect(readyMs(record, 'a', 900)).toBe(2_000);
  expect(readyMs(record, 'b', 50)).toBe(2_000);
  expect(readyMs({ ...record, gone: { cumulativeMs: 3_000, atMs: 0 } }, 'a', 9_999)).toBe(3_000);
});
