/** Evidence of a double grant: signed grants of one machine key and, where needed, the end of its own log. `GET /v1/double-grants/<machineKey>` serves it, `celium proof verify` reads it. */

import { z } from 'zod';
import { hex32 } from '../fields.ts';
import { signedSchema } from './envelope.ts';
import { logEntry } from './log-head.ts';

export const DOUBLE_GRANT_FILE_FORM = 'celium/double-grant-file/1';

export const doubleGrantFileSchema = z.looseObject({
  form: z.literal(DOUBLE_GRANT_FILE_FORM),
  machineKey: hex32,
  grants: z.array(signedSchema('grant')).max(64),
  /** Entries in a row up to the signed head; null when the grants say it all. */
  log: z.looseObject({ head: signedSchema('log-head'), entries: z.array(logEntry).max(1_000) }).nullable(),
});

export type DoubleGrantFile = z.infer<typeof doubleGrantFileSchema>;
