/** What an agent's published log tells a validator: when a lease ended that was no check, and when somebody last checked the machine. */

/** One entry of an agent's log, as far as it matters here; what is missing or of another form counts as nothing. */
export interface PublishedLease {
  /** `grant` or `lease-ended`; anything else says nothing. */
  kind: string;
  leaseId: string;
  /** Of a grant. */
  leaseKind: string | null;
  /** When we read of it, unix ms: an agent's own clock decides nothing. */
  seenAtMs: number;
}

/** What is remembered of one machine. */
export interface LeaseNews {
  /** Checks whose end was not published yet. */
  openChecks: readonly string[];
  /** When we learnt of the last end of a lease that was no check; null for none. */
  releasedAtMs: number | null;
  /** When we learnt of the last check, anybody's; null for none. */
  checkedAtMs: number | null;
}

/** Nothing is known yet. */
export const NO_NEWS: LeaseNews = { openChecks: [], releasedAtMs: null, checkedAtMs: null };

/** The first place comes this long after a release, each other place so much later, in milliseconds. */
const RELEASE_STEP_MS = 300_000;
const MAX_OPEN_CHECKS = 64;

/** What is remembered after one more entry. */
export function readLeaseEntry(news: LeaseNews, entry: PublishedLease): LeaseNews {
  const { openChecks } = news;
  if (entry.kind === 'grant' && entry.leaseKind === 'verification')
    return {
      ...news,
      openChecks: [...openChecks, entry.leaseId].slice(-MAX_OPEN_CHECKS),
      checkedAtMs: entry.seenAtMs,
    };
  if (entry.kind !== 'lease-ended') return news;
  if (openChecks.includes(entry.leaseId))
    return { ...news, openChecks: openChecks.filter((leaseId) => leaseId !== entry.leaseId) };
  return { ...news, releasedAtMs: entry.seenAtMs };
}

/**
 * When the validator at `place` checks after the last release, unix ms; null when there was none or somebody has checked since. The first
 * place comes at once; the others only if nobody did by then.
 */
export function releaseDueAtMs({ releasedAtMs, checkedAtMs }: LeaseNews, place: number): number | null {
  if (releasedAtMs === null || (checkedAtMs !== null && checkedAtMs >= releasedAtMs)) return null;
  return releasedAtMs + Math.max(0, place) * RELEASE_STEP_MS;
}
