/** Everything a validator's handlers take from outside, so that a simulator can run the real handlers: clock, randomness, network, shells, audits. */

import type { LeaseStatus, ManifestMachine, Signed } from '@celium/contract';
import type {
  AuditOutcome,
  PairAudit,
  PairTranscript,
  ProofClock,
  ProofTranscript,
  ProofTransport,
} from '@celium/proof';

/** Time. `nowMs` of `ProofClock` is monotonic; `unixMs` is the wall clock, for documents and schedules only. */
export interface ValidatorClock extends ProofClock {
  unixMs(): number;
}

/** `length` fresh bytes of cryptographic randomness. */
export type RandomBytes = (length: number) => Uint8Array;

/** What an agent answered to a lease request. */
export type LeaseAnswer =
  | { kind: 'granted'; grant: Signed<'grant'> }
  /** A refusal that the agent signed, checked against the machine key. */
  | { kind: 'refused'; refusal: Signed<'lease-refusal'> }
  /** An error answer without a signed refusal; `code` is of the error table when it named one. */
  | { kind: 'error'; code: string; message: string; reachable: boolean };

/** What an agent answered to a lease command; `reachable` is false when nothing came back from who the manifest names. */
export type CommandAnswer =
  | { kind: 'done'; lease: LeaseStatus }
  | { kind: 'error'; code: string; message: string; reachable: boolean };

/** Where an agent is and which keys it must show. */
export type AgentAddress = Pick<ManifestMachine, 'machineId' | 'machineKey' | 'agentUrl' | 'tlsKeyHash'>;

/** An agent's signed API. Every call has a timeout; what fails on the way comes back as an error answer, not as a rejection. */
export interface AgentPort {
  requestLease(agent: AgentAddress, request: Signed<'lease-request'>): Promise<LeaseAnswer>;
  /** The lease as its agent sees it, or why it cannot be seen. */
  leaseStatus(agent: AgentAddress, leaseId: string): Promise<CommandAnswer>;
  command(agent: AgentAddress, command: Signed<'lease-command'>): Promise<CommandAnswer>;
}

/** A client key for one check. */
export interface ClientKey {
  /** `ssh-ed25519 AAAA...` for the lease request. */
  publicLine: string;
  /** The private key in the form that this port's `connect` takes. */
  privateKey: string;
}

/** Where a pod's shell is, and who it must be. */
export interface ShellTarget {
  host: string;
  port: number;
  /** The pod's host key line of the grant. */
  hostKey: string;
  clientKey: ClientKey;
  /** The most bytes that are taken in over the connection once somebody is logged in; it is closed beyond. 4 MiB by default. */
  maxBytes?: number;
}

/** Why no shell could be had. */
export type ShellFault =
  /** Another host key was shown than the grant names; nothing was sent to it. */
  | { kind: 'host-key-mismatch'; seenHostKeyHash: string }
  /** No connection, no login, or no shell within the time. */
  | { kind: 'unreachable'; message: string };

/** One interactive shell. */
export interface Shell extends ProofTransport {
  /** Ends it at once; nothing more is taken in. */
  close(): void;
}

/** An authenticated connection to a pod. */
export interface ShellConnection {
  /** SHA-256 (hex) of the host key blob seen in our own key exchange. */
  hostKeyHash: string;
  /** Opens one interactive shell over a pseudo-terminal; rejects with words when there is none. */
  openShell(): Promise<Shell>;
  close(): void;
}

/** Interactive shells in pods. */
export interface ShellPort {
  newClientKey(): ClientKey;
  connect(target: ShellTarget, signal: AbortSignal): Promise<ShellConnection | ShellFault>;
}

/** The exact audit, away from the timing event loop. */
export interface AuditorPort {
  /** Recomputes every sampled answer; `cpuSeconds` is what that cost. */
  audit(transcript: ProofTranscript): Promise<{ outcome: AuditOutcome; cpuSeconds: number }>;
  /** The same for a pair of units. */
  auditPair(transcript: PairTranscript): Promise<{ outcome: PairAudit; cpuSeconds: number }>;
}

/** An answer over HTTP: its status and its body as JSON (null when it is none). */
export interface JsonAnswer {
  status: number;
  json: unknown;
}

/** Plain JSON over HTTP(S) to addresses that others chose: sized, timed, and kept away from private addresses unless allowed. */
export interface NetworkPort {
  /** Rejects with a `CeliumError` when there is no answer within the time. `tlsKeyHash`, when given, pins the server's key. */
  request(ask: {
    method: 'GET' | 'POST';
    url: string;
    headers?: Record<string, string>;
    body?: string;
    timeoutMs: number;
    maxBytes: number;
    tlsKeyHash?: string;
  }): Promise<JsonAnswer>;
}

/** The longest stall of the event loop since `start`, in milliseconds. */
export interface LagMeter {
  start(): { stop(): number };
}

/** One line for whoever started the program. */
export type Report = (line: Record<string, unknown>) => void;
