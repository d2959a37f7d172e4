/**
 * Two overlapping grants for one unit under one machine key are proof of fraud. The proof needs no trust in anybody's clock but the machine's own: grants carry its
 * signature, and so does the log in which it says which lease ended before which began.
 */

/** A grant as far as the rule needs it; its signature by the machine key was checked by the caller. */
export interface SeenGrant {
  leaseId: string;
  units: readonly string[];
  fence: number;
  /** Unix milliseconds, by the machine. */
  issuedAtMs: number;
}

/** An entry of the machine's own log, in the order of the log. `atMs` is when it was written. */
export type LeaseEntry =
  | { kind: 'granted'; grant: SeenGrant; atMs: number }
  | { kind: 'ended'; leaseId: string; atMs: number };

/** What a machine is convicted of: two leases that held `unit` at once, or one that its log hides. */
export type DoubleGrant =
  /** The log itself shows the second before the end of the first. */
  | { proof: 'overlap'; unit: string; leaseIds: readonly [string, string] }
  /** Two grants with one fence, or a fence that went back: an agent gives each fence once and ever higher. */
  | { proof: 'fence'; unit: string; leaseIds: readonly [string, string] }
  /** A signed grant that the log leaves out although it was due. */
  | { proof: 'hidden'; unit: string; leaseIds: readonly [string] };

/** Grants are published within a minute; as long again is left for whoever reads the log. */
export const PUBLISHED_WITHIN_MS = 120_000;

/**
 * The first fraud that log and grants prove, or null. `seen` holds grants of the same machine key from wherever: markets, renters, refusals of other validators. `readAtMs` is when
 * the log was read, by the reader; a grant younger than two minutes need not be in it.
 */
export function findDoubleGrant(
  log: readonly LeaseEntry[],
  seen: readonly SeenGrant[],
  readAtMs: number,
): DoubleGrant | null {
  return fraudOfLog(log) ?? fraudOfGrants(log, seen, readAtMs);
}

function fraudOfLog(log: readonly LeaseEntry[]): DoubleGrant | null {
  const open = new Map<string, string>();
  const newest = new Map<string, SeenGrant>();
  for (const entry of log) {
    if (entry.kind === 'ended') {
      for (const [unit, leaseId] of open) if (leaseId === entry.leaseId) open.delete(unit);
      continue;
    }
    const { leaseId, units, fence } = entry.grant;
    for (const unit of units) {
      const before = open.get(unit);
      if (before !== undefined) return { proof: 'overlap', unit, leaseIds: [before, leaseId] };
      const last = newest.get(unit);
      if (last !== undefined && last.fence >= fence) return { proof: 'fence', unit, leaseIds: [last.leaseId, leaseId] };
      open.set(unit, leaseId);
      newest.set(unit, entry.grant);
    }
  }
  return null;
}

function fraudOfGrants(log: readonly LeaseEntry[], seen: readonly SeenGrant[], readAtMs: number): DoubleGrant | null {
  const logged = new Map<string, SeenGrant>();
  for (const entry of log) if (entry.kind === 'granted') logged.set(entry.grant.leaseId, entry.grant);
  const byFence = new Map<string, string>();
  for (const { leaseId, units, fence } of [...logged.values(), ...seen]) {
    for (const unit of units) {
      const other = byFence.get(`${unit} ${fence}`) ?? leaseId;
      if (other !== leaseId) return { proof: 'fence', unit, leaseIds: [other, leaseId] };
      byFence.set(`${unit} ${fence}`, leaseId);
    }
  }
  for (const { leaseId, units, fence, issuedAtMs } of seen) {
    const own = logged.get(leaseId);
    const same = own !== undefined && own.fence === fence && units.every((unit) => own.units.includes(unit));
    const unit = units[0];
    if (same || unit === undefined || readAtMs - issuedAtMs < PUBLISHED_WITHIN_MS) continue;
    return { proof: 'hidden', unit, leaseIds: [leaseId] };
  }
  return null;
}
