/** One lease as the agent keeps it on disk: what was asked and granted, how its pod did, and how it ended. */
import type { LeaseStatus, Signed } from '@celium/contract';
import type { HeldLease } from '@celium/domain';
import type { Term } from '../leases/term.ts';

export type GoneReason = NonNullable<LeaseStatus['goneReason']>;

/** When a pod became ready: on the monotonic clock of that boot, and on the wall clock (to tell a later restart apart). */
export interface ReadyMark {
  bootId: string;
  monotonicMs: number;
  atMs: number;
}

export interface LeaseRecord {
  leaseId: string;
  request: Signed<'lease-request'>;
  /** The newest grant; a port clash before the pod runs replaces it by one with other ports. */
  grant: Signed<'grant'>;
  /** The highest sequence number taken, and the hash of the command that carried it (null before the first command). */
  sequence: number;
  commandHash: string | null;
  sshKeys: string[];
  term: Term;
  grantedAtMs: number;
  /** Id of the container, once there is one. */
  podInstance: string | null;
  ready: ReadyMark | null;
  /** Milliseconds of readiness as last noted; the truth only when this boot's clock cannot tell. */
  notedReadyMs: number;
  /** Decided to end; the container may still run. */
  end: { reason: GoneReason; detail: string | null; atMs: number } | null;
  /** Nothing of the pod is left; the last word on its readiness. */
  gone: { cumulativeMs: number; atMs: number } | null;
  /** The authority knows that it is gone. */
  noted: boolean;
  /** How far the lease is in the published log. */
  published: 'nothing' | 'grant' | 'end';
}

/** The lease as decisions need it. */
export function heldLease(record: LeaseRecord): HeldLease {
  const { body } = record.grant;
  return {
    leaseId: record.leaseId,
    requestId: body.requestId,
    authority: body.authority,
    units: body.units,
    kind: body.kind,
    fence: body.fence,
    sequence: record.sequence,
  };
}

/** How long the pod has been ready, in whole milliseconds; `untilMs` is a reading of this boot's monotonic clock. */
export function readyMs(record: LeaseRecord, bootId: string, untilMs: number): number {
  if (record.gone !== null) return record.gone.cumulativeMs;
  if (record.ready === null) return 0;
  if (record.ready.bootId !== bootId) return record.notedReadyMs;
  return Math.max(record.notedReadyMs, Math.floor(untilMs - record.ready.monotonicMs), 0);
}
