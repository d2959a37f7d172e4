/** What the lease desk and its commands need of the rest of the agent. */
import type { KeyPair } from '@celium/chain';
import type { CrashHere, ErrorCode } from '@celium/contract';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { OwnManifest } from '../manifest/manifest-source.ts';
import type { LeaseFolders } from '../pods/lease-folder.ts';
import type { GoneReason, LeaseRecord } from '../store/lease-record.ts';
import type { LeaseStore } from '../store/lease-store.ts';
import type { HasPermit } from './authority.ts';

/** Who we are: the machine key signs grants; the ids go into them. */
export interface AgentIdentity {
  key: KeyPair;
  /** The public key of `key`, hex. */
  machineKey: string;
  bootId: string;
  agentInstanceId: string;
}

/** What the desk needs of the reconciler. */
export interface LeaseWork {
  /** A new lease is on disk: make its pod. */
  begin(leaseId: string): void;
  /** Ends a lease, and stores `change` with it: on disk when this returns. */
  end(leaseId: string, reason: GoneReason, detail: string | null, change?: Partial<LeaseRecord>): void;
  /** The keys that may log in were changed in the lease's folder: brings them to its pod, soon. */
  keysChanged(leaseId: string): void;
  /** Looks at the lease's term again. */
  rearm(leaseId: string): void;
  /** Says again how an ended lease is. */
  tellAgain(leaseId: string): void;
  /** Why no pod can be made now (the engine is away, the disk is full), or null. */
  trouble(): { code: ErrorCode; message: string } | null;
}

export interface DeskPorts {
  identity: AgentIdentity;
  manifest: () => OwnManifest;
  hasPermit: HasPermit;
  store: LeaseStore;
  folders: LeaseFolders;
  work: LeaseWork;
  clock: Clock;
  crash: CrashHere;
  log: Log;
}
