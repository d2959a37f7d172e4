/** The signed head of an append-only log: two heads of one height are proof of equivocation. */

import { z } from 'zod';
import { hex32, unixMs } from '../fields.ts';

export const logHeadBody = z.looseObject({
  /** Number of entries under this head. */
  height: z.int().min(0),
  /** Hash of the last entry, 64 zeros for the empty log. */
  hash: hex32,
  atMs: unixMs,
});

export type LogHead = z.infer<typeof logHeadBody>;

/** One entry of a log; `hash` is SHA-256 over the canonical form of the other fields. */
export const logEntry = z.looseObject({
  seq: z.int().min(1),
  prevHash: hex32,
  kind: z.string().min(1).max(64),
  atMs: unixMs,
  body: z.unknown(),
  hash: hex32,
});

export type LogEntry = z.infer<typeof logEntry>;
