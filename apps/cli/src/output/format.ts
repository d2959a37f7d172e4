/** Money, times, sizes and ids as people read them; and money as people write it. */

const MICRO_PER_USD = 1_000_000n;

/** `$0.36`, `$0.000123`: at least two digits after the point, at most six, no more than needed. */
export function formatUsd(microUsd: bigint | string): string {
  const value = BigInt(microUsd);
  const size = value < 0n ? -value : value;
  const fraction = (size % MICRO_PER_USD)
    .toString()
    .padStart(6, '0')
    .replace(/0{1,4}$/, '');
  return `${value < 0n ? '-' : ''}$${size / MICRO_PER_USD}.${fraction}`;
}

/** Micro-dollars of `0.36`, `$0.36` or `12`; null when it is no amount. */
export function parseUsd(text: string): bigint | null {
  const match = /^\$?([0-9]{1,12})(?:\.([0-9]{1,6}))?$/.exec(text.trim());
  if (match === null) return null;
  return BigInt(match[1] as string) * MICRO_PER_USD + BigInt((match[2] ?? '').padEnd(6, '0'));
}

/** `850 ms`, `12.4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.max(0, Math.round(durationMs))} ms`;
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3_600) return join(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 24 * 60) return join(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.floor(minutes / 60);
  return join(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

/** `3 s ago`, `2 h ago`: one unit is enough; `never` for null. */
export function formatAge(atMs: number | null, nowMs: number): string {
  if (atMs === null) return 'never';
  const seconds = Math.max(0, Math.floor((nowMs - atMs) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

/** `512 B`, `64 kB`, `62.0 MB`, `1.54 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(0)} kB`;
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** `2026-11-23 06:12:26` in UTC. */
export function formatTime(atMs: number | null): string {
  return atMs === null ? '-' : new Date(atMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** The first eight characters: enough to name a pod to a person, and accepted by every command. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

function join(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
