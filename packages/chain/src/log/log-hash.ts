/** The hash chain of append-only logs, as pure functions: any store may hold the entries, anyone may replay them. */
import { createHash } from 'node:crypto';
import { canonicalJson, logEntry, type LogEntry, type LogHead } from '@celium/contract';

/** `prevHash` of the first entry and the hash of an empty log: 64 zeros. */
export const EMPTY_LOG_HASH = '0'.repeat(64);

/** An entry without its own hash. Unknown fields are kept and hashed too. */
export type UnhashedEntry = Omit<LogEntry, 'hash'>;

/** The point a log has reached: number of entries, and the hash of the last one. */
export interface LogPosition {
  readonly height: number;
  readonly hash: string;
}

/** The first thing wrong with a log: at which entry, and what. */
export interface LogDifference {
  readonly ok: false;
  /** The `seq` expected where the difference is. */
  readonly seq: number;
  readonly reason: 'malformed' | 'gap' | 'wrong-previous' | 'wrong-hash' | 'wrong-head' | 'too-short';
  readonly message: string;
}

/** The hash of an entry: SHA-256 over the canonical form of all its fields but `hash`. */
export function hashLogEntry(entry: UnhashedEntry & { hash?: string }): string {
  const { hash: _own, ...rest } = entry;
  return createHash('sha256').update(canonicalJson(rest)).digest('hex');
}

/**
 * The entry that follows `position`. The body is kept in wire form (bigint as decimal string), so that what is hashed
 * now is what is read back later. Throws TypeError for a body that JSON cannot say.
 */
export function nextLogEntry(position: LogPosition, kind: string, body: unknown, atMs: number): LogEntry {
  const wireBody: unknown = JSON.parse(canonicalJson(body));
  const entry = { seq: position.height + 1, prevHash: position.hash, kind, atMs, body: wireBody };
  return { ...entry, hash: hashLogEntry(entry) };
}

/**
 * Replays entries from `from` (default: the empty log) and returns where they lead, or the first difference. With
 * `head`, the log must pass through it exactly: shorter is `too-short`, another hash at its height is `wrong-head`.
 */
export function replayLog(
  entries: Iterable<unknown>,
  options: { from?: LogPosition; head?: Pick<LogHead, 'height' | 'hash'> } = {},
): { readonly ok: true; readonly position: LogPosition } | LogDifference {
  let position = options.from ?? { height: 0, hash: EMPTY_LOG_HASH };
  const head = options.head;
  const passes = (): boolean => head === undefined || head.height !== position.height || head.hash === position.hash;
  if (!passes()) return difference(position.height, 'wrong-head', 'the head has another hash at this height');
  for (const value of entries) {
    const seq = position.height + 1;
    const parsed = logEntry.safeParse(value);
    if (!parsed.success) return difference(seq, 'malformed', parsed.error.issues[0]?.message ?? 'no log entry');
    const entry = value as LogEntry;
    if (entry.seq !== seq) return difference(seq, 'gap', `entry ${seq} is missing, ${entry.seq} stands in its place`);
    if (entry.prevHash !== position.hash) {
      return difference(seq, 'wrong-previous', `entry ${seq} follows ${entry.prevHash}, not ${position.hash}`);
    }
    if (entry.hash !== safeHash(entry))
      return difference(seq, 'wrong-hash', `entry ${seq} was changed after it was hashed`);
    position = { height: seq, hash: entry.hash };
    if (!passes())
      return difference(seq, 'wrong-head', `the head says ${head?.hash ?? ''} at ${seq}, the log ${entry.hash}`);
  }
  if (head !== undefined && position.height < head.height) {
    return difference(
      position.height + 1,
      'too-short',
      `the log ends at ${position.height}, its head says ${head.height}`,
    );
  }
  return { ok: true, position };
}

/** Whether two signed heads prove that their common signer showed two different logs. */
export function isEquivocation(one: LogPosition, other: LogPosition): boolean {
  return one.height === other.height && one.hash !== other.hash;
}

function safeHash(entry: LogEntry): string | null {
  try {
    return hashLogEntry(entry);
  } catch {
    return null;
  }
}

function difference(seq: number, reason: LogDifference['reason'], message: string): LogDifference {
  return { ok: false, seq, reason, message };
}
