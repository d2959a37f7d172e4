/** What a full pass clears away: volumes a day after their lease, records two days after, tombstones after a year. */
import type { Clock } from '../clock.ts';
import { volumeName } from '../pods/docker-engine.ts';
import type { PodEngine } from '../pods/pod-engine.ts';
import type { LeaseStore } from '../store/lease-store.ts';

const VOLUME_KEPT_MS = 24 * 3_600_000;
const RECORD_KEPT_MS = 48 * 3_600_000;
const TOMBSTONE_KEPT_MS = 400 * 24 * 3_600_000;

interface HousekeepingPorts {
  engine: PodEngine;
  store: LeaseStore;
  clock: Clock;
}

/** Removes volumes whose lease ended a day ago, or is not known at all. */
export async function removeOldVolumes({ engine, store, clock }: HousekeepingPorts): Promise<void> {
  for (const { name, leaseId } of await engine.listVolumes()) {
    const record = store.lease(leaseId);
    const isKept = record !== undefined && (record.gone === null || clock.nowMs() - record.gone.atMs < VOLUME_KEPT_MS);
    if (!isKept && name === volumeName(leaseId)) await engine.removeVolume(name);
  }
}

/** Forgets leases that ended long ago, unless their market has not taken note; their ids are returned. */
export function forgetOldLeases({ store, clock }: Omit<HousekeepingPorts, 'engine'>): string[] {
  const nowMs = clock.nowMs();
  const old = store.all().filter((record) => {
    if (record.gone === null || nowMs - record.gone.atMs < RECORD_KEPT_MS) return false;
    return record.noted || record.request.body.authorityKind !== 'market';
  });
  for (const { leaseId } of old) store.forget(leaseId);
  store.forgetTombstonesBefore(nowMs - TOMBSTONE_KEPT_MS);
  return old.map((record) => record.leaseId);
}
