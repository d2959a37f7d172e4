/**
 * What the agent decides about leases: one lease per unit at a time, fences that only grow, older commands refused.
 *
 * Pure: the agent stores what is returned here before it answers or touches a container.
 */

/** Kinds of lease; earlier ones go before later ones (design protocol.md, "Leases" 3). */
export const LEASE_KINDS = ['paid', 'verification', 'guaranteed', 'opportunistic'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];

/** The shortest and the longest term that an agent grants, in milliseconds (a check may be shorter). */
export const MIN_TERM_MS = 24 * 3_600_000;
export const MAX_TERM_MS = 30 * 24 * 3_600_000;
/** The longest that a check may hold units, in milliseconds. */
export const MAX_CHECK_TERM_MS = 15 * 60_000;

/** A lease that the agent holds open, as far as decisions need it. */
export interface HeldLease {
  leaseId: string;
  requestId: string;
  authority: string;
  units: readonly string[];
  kind: LeaseKind;
  fence: number;
  /** The highest sequence number taken from the authority for this lease. */
  sequence: number;
}

/** What a request asks for, as far as decisions need it. */
export interface LeaseAsk {
  requestId: string;
  authority: string;
  units: readonly string[];
  kind: LeaseKind;
  termMs: number;
}

export type LeaseRefusal = 'UNITS_UNKNOWN' | 'UNITS_BUSY' | 'TERM_TOO_LONG' | 'REQUEST_EXPIRED' | 'REQUEST_STOPPED';

export type LeaseAnswer =
  | { ok: true; fence: number }
  /** The same request was granted before: the same grant is sent again. */
  | { ok: true; repeated: HeldLease }
  | { ok: false; refusal: LeaseRefusal; /** The lease in the way. */ busyWith?: HeldLease };

/**
 * The next fence of a unit: it only grows, and its floor is the wall clock, which survives a lost disk.
 *
 * @param lastFence the highest fence ever given for the unit, or 0
 * @param nowMs unix milliseconds
 */
export function nextFence(lastFence: number, nowMs: number): number {
  return Math.max(lastFence + 1, nowMs);
}

/** Whether to grant `ask`, and under which fence. `fences` holds the last fence per unit of the machine. */
export function decideLease(
  ask: LeaseAsk,
  machine: {
    units: readonly string[];
    fences: ReadonlyMap<string, number>;
    open: readonly HeldLease[];
    tombstones: ReadonlySet<string>;
  },
  nowMs: number,
): LeaseAnswer {
  const before = machine.open.find((lease) => lease.requestId === ask.requestId && lease.authority === ask.authority);
  if (before !== undefined) return { ok: true, repeated: before };
  if (machine.tombstones.has(ask.requestId)) return { ok: false, refusal: 'REQUEST_STOPPED' };
  // A unit named twice is no two units.
  const named = new Set(ask.units);
  if (named.size === 0 || named.size !== ask.units.length || ask.units.some((unit) => !machine.units.includes(unit)))
    return { ok: false, refusal: 'UNITS_UNKNOWN' };
  if (ask.termMs > (ask.kind === 'verification' ? MAX_CHECK_TERM_MS : MAX_TERM_MS))
    return { ok: false, refusal: 'TERM_TOO_LONG' };
  const busyWith = machine.open.find((lease) => lease.units.some((unit) => ask.units.includes(unit)));
  if (busyWith !== undefined) return { ok: false, refusal: 'UNITS_BUSY', busyWith };
  const lastFence = Math.max(0, ...ask.units.map((unit) => machine.fences.get(unit) ?? 0));
  return { ok: true, fence: nextFence(lastFence, nowMs) };
}

export type CommandRefusal = 'LEASE_UNKNOWN' | 'NOT_YOUR_LEASE' | 'FENCE_OLD' | 'SEQUENCE_OLD';

/** Whether a later command on a lease may act: right authority, this very fence, a sequence number not seen before. */
export function decideCommand(
  command: { leaseId: string; authority: string; fence: number; sequence: number },
  lease: HeldLease | undefined,
): { ok: true } | { ok: false; refusal: CommandRefusal } {
  if (lease === undefined || lease.leaseId !== command.leaseId) return { ok: false, refusal: 'LEASE_UNKNOWN' };
  if (lease.authority !== command.authority) return { ok: false, refusal: 'NOT_YOUR_LEASE' };
  if (command.fence !== lease.fence) return { ok: false, refusal: 'FENCE_OLD' };
  if (command.sequence <= lease.sequence) return { ok: false, refusal: 'SEQUENCE_OLD' };
  return { ok: true };
}
