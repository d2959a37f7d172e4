/** Whatever the agent was doing when it died, the next step follows from what is stored and what runs. */
import { expect, test } from 'vitest';
import type { PodSighting } from '../pods/pod-engine.ts';
import { leaseRecord } from '../testing/records.ts';
import { findOrphans, planLease } from './plan.ts';

const READY = { bootId: 'boot', monotonicMs: 0, atMs: 0 };
const END = { reason: 'stopped' as const, detail: null, atMs: 0 };
const GONE = { cumulativeMs: 1, atMs: 0 };

function pod(state: PodSighting['state'], change: Partial<PodSighting> = {}): PodSighting {
  return { id: 'pod', leaseId: leaseRecord(1).leaseId, fence: 1_001, state, network: 'cel-1', ...change };
}

test('a lease granted before the agent died gets its pod', () => {
  expect(planLease(leaseRecord(1), null, 'boot').do).toBe('create');
});

test('a container that was made and never started is started', () => {
  expect(planLease(leaseRecord(1), pod('created'), 'boot').do).toBe('start');
});

test('a pod that runs and was not reported is looked at', () => {
  expect(planLease(leaseRecord(1, { podInstance: 'pod' }), pod('running'), 'boot').do).toBe('await-ready');
});

test('a ready pod is left alone', () => {
  expect(planLease(leaseRecord(1, { podInstance: 'pod', ready: READY }), pod('running'), 'boot').do).toBe('nothing');
});

test('a pod that died ends its lease, for a reason that tells before and after readiness apart', () => {
  const started = leaseRecord(1, { podInstance: 'pod' });
  expect(planLease(started, pod('exited'), 'boot')).toMatchObject({ do: 'end', reason: 'start-failed' });
  expect(planLease(started, null, 'boot')).toMatchObject({ do: 'end', reason: 'start-failed' });
  const ready = { ...started, ready: READY };
  expect(planLease(ready, pod('exited'), 'boot')).toMatchObject({ do: 'end', reason: 'pod-died' });
  expect(planLease(ready, null, 'boot')).toMatchObject({ do: 'end', reason: 'pod-died' });
});

test('an ended lease loses its container, whatever state that is in', () => {
  for (const sight of [null, pod('created'), pod('running'), pod('exited')]) {
    expect(planLease(leaseRecord(1, { end: END }), sight, 'boot')).toEqual({ do: 'remove', pod: sight });
  }
  expect(planLease(leaseRecord(1, { end: END, gone: GONE }), null, 'boot').do).toBe('nothing');
  expect(planLease(leaseRecord(1, { end: END, gone: GONE }), pod('running'), 'boot').do).toBe('remove');
});

test('containers that no lease explains are orphans, and no others', () => {
  const lease = leaseRecord(1);
  expect(findOrphans([lease], [pod('running')])).toEqual([]);
  expect(findOrphans([], [pod('running')])).toHaveLength(1);
  expect(findOrphans([lease], [pod('running', { fence: 1_000 })])).toHaveLength(1);
  expect(findOrphans([lease], [pod('running'), pod('created', { id: 'second' })])).toHaveLength(1);
  const named = { ...lease, podInstance: 'second' };
  expect(findOrphans([named], [pod('running'), pod('created', { id: 'second' })])).toEqual([pod('running')]);
});
