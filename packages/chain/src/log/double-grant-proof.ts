/** What evidence of a double grant proves to whoever reads it: every signature and hash is checked, then the rule of domain is applied. */
import type { DoubleGrantFile, LogEntry } from '@celium/contract';
import { findDoubleGrant, type DoubleGrant, type LeaseEntry, type SeenGrant } from '@celium/domain';
import { verifyDocument } from '../signing/documents.ts';
import { replayLog } from './log-hash.ts';

export type DoubleGrantVerdict =
  | { readonly ok: true; readonly finding: DoubleGrant }
  | { readonly ok: false; readonly message: string };

/** The fraud that a file proves of its machine key, or why it proves none. Nothing but the machine key's own signatures is believed. */
export function checkDoubleGrant(file: DoubleGrantFile): DoubleGrantVerdict {
  const { machineKey, grants, log } = file;
  for (const grant of grants) {
    const verified = verifyDocument('grant', grant, { signer: machineKey });
    if (!verified.ok) return { ok: false, message: verified.message };
  }
  const fault = log === null ? null : faultOfLog(machineKey, log);
  if (fault !== null) return { ok: false, message: fault };
  const finding = suspectDoubleGrant(file);
  return finding === null ? { ok: false, message: 'these grants and this log fit together' } : { ok: true, finding };
}

/** The same before any signature is checked: what is no suspicion needs no proof, and proving takes milliseconds for each signature. */
export function suspectDoubleGrant({ grants, log }: DoubleGrantFile): DoubleGrant | null {
  const seen = grants.map(({ body }): SeenGrant => body);
  const entries = log === null ? [] : log.entries.flatMap((entry) => leaseEntryOf(entry as LogEntry) ?? []);
  const finding = findDoubleGrant(entries, seen, -Infinity);
  if (finding !== null || log === null) return finding;
  const due = seen.filter((grant) => isDue(grant, entries));
  return findDoubleGrant(entries, due, log.head.body.atMs);
}

function faultOfLog(machineKey: string, { head, entries }: NonNullable<DoubleGrantFile['log']>): string | null {
  const verified = verifyDocument('log-head', head, { signer: machineKey });
  if (!verified.ok) return verified.message;
  const first = entries[0];
  if (first === undefined) return 'a head without entries shows nothing';
  const from = { height: first.seq - 1, hash: first.prevHash };
  const replayed = replayLog(entries, { from, head: verified.body });
  if (!replayed.ok) return replayed.message;
  return replayed.position.height === verified.body.height ? null : 'the entries go on beyond their head';
}

/**
 * Whether a grant has to stand among these entries: they show an earlier grant of one of its units, so it was given after they began. An agent gives fences in
 * rising order whatever its clock does, so a log that was lost and begun anew convicts nobody.
 */
function isDue(grant: SeenGrant, entries: readonly LeaseEntry[]): boolean {
  return entries.some(
    (entry) =>
      entry.kind === 'granted' &&
      entry.grant.fence < grant.fence &&
      entry.grant.units.some((unit) => grant.units.includes(unit)),
  );
}

function leaseEntryOf({ kind, body, atMs }: LogEntry): LeaseEntry | null {
  const { leaseId, units, fence, issuedAtMs } = (body ?? {}) as Record<string, unknown>;
  if (typeof leaseId !== 'string') return null;
  if (kind === 'lease-ended') return { kind: 'ended', leaseId, atMs };
  if (kind !== 'grant' || typeof fence !== 'number' || typeof issuedAtMs !== 'number') return null;
  if (!Array.isArray(units) || !units.every((unit) => typeof unit === 'string')) return null;
  return { kind: 'granted', grant: { leaseId, units, fence, issuedAtMs }, atMs };
}
