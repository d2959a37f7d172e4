/** What to do next about one lease: a pure function of what is on disk and what the engine shows, whatever happened in between. */
import type { PodSighting } from '../pods/pod-engine.ts';
import type { GoneReason, LeaseRecord } from '../store/lease-record.ts';

export type Step =
  | { do: 'nothing' }
  /** No container yet: make one. */
  | { do: 'create' }
  /** Made and never started: an earlier run of the agent died in between. */
  | { do: 'start'; pod: PodSighting }
  /** It runs; whether it is ready is not known. */
  | { do: 'await-ready'; pod: PodSighting }
  /** The lease must end, for a reason that lies in the pod. */
  | { do: 'end'; reason: GoneReason; detail: string }
  /** The lease has ended: stop and remove what is left of its pod. */
  | { do: 'remove'; pod: PodSighting | null };

/** The next step for a lease. `bootId` is this boot: a mark of another boot says nothing about a pod that runs now. */
export function planLease(record: LeaseRecord, pod: PodSighting | null, bootId: string): Step {
  if (record.gone !== null) return pod === null ? { do: 'nothing' } : { do: 'remove', pod };
  if (record.end !== null) return { do: 'remove', pod };
  const wasReady = record.ready !== null;
  if (pod === null) {
    if (record.podInstance === null) return { do: 'create' };
    return wasReady
      ? { do: 'end', reason: 'pod-died', detail: 'the container was removed by someone else' }
      : { do: 'end', reason: 'start-failed', detail: 'the container was removed before it was ready' };
  }
  switch (pod.state) {
    case 'created':
      return { do: 'start', pod };
    case 'running':
      return record.ready?.bootId === bootId ? { do: 'nothing' } : { do: 'await-ready', pod };
    case 'exited':
      return wasReady
        ? { do: 'end', reason: 'pod-died', detail: 'the first process of the pod ended' }
        : { do: 'end', reason: 'start-failed', detail: 'the first process of the pod ended before SSH answered' };
  }
}

/**
 * Containers with our label that no lease on record explains: unknown lease, an older fence, or a second container of one lease.
 */
export function findOrphans(records: readonly LeaseRecord[], pods: readonly PodSighting[]): PodSighting[] {
  const byLease = new Map(records.map((record) => [record.leaseId, record]));
  const kept = new Set<string>();
  return pods.filter((pod) => {
    const record = byLease.get(pod.leaseId);
    if (record === undefined || record.grant.body.fence !== pod.fence || kept.has(pod.leaseId)) return true;
    if (record.podInstance !== null && record.podInstance !== pod.id) return true;
    kept.add(pod.leaseId);
    return false;
  });
}
