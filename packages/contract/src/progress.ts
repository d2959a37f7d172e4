/** What a program started by the CLI prints on stdout, one JSON object a line: progress, readiness, errors. */

import { z } from 'zod';

export const progressEventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('step'),
    /** What is being done, in words a newcomer reads: "install Docker". */
    name: z.string(),
    status: z.enum(['start', 'progress', 'done', 'failed']),
    detail: z.string().optional(),
    bytes: z.number().optional(),
    totalBytes: z.number().optional(),
    ms: z.number().optional(),
  }),
  /** The program serves; fields depend on the program (url, pid, socket, publicKey, ...). */
  z.looseObject({ event: z.literal('ready') }),
  /** A validator's check of one unit is over, or a machine was visited and not checked; see `apps/validator`. */
  z.looseObject({ event: z.literal('check') }),
  /** A validator's look around a machine's units is over, with what it found of each part, or why nothing was found. */
  z.looseObject({ event: z.literal('machine-check') }),
  /** A host's inventory or the registry of GPUs gives reason to look. */
  z.looseObject({ event: z.literal('alarm') }),
  z.object({ event: z.literal('error'), code: z.string(), message: z.string(), remedy: z.string() }),
]);

export type ProgressEvent = z.infer<typeof progressEventSchema>;

/** Parses one line of a program's stdout; null for anything else than a progress event. */
export function parseProgressLine(line: string): ProgressEvent | null {
  if (!line.startsWith('{')) return null;
  try {
    const parsed = progressEventSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
