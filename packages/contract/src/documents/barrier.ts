/**
 * What the coordinator of an epoch says of its barrier: a commitment first, to other validators then the secret, and afterwards to everybody.
 * Two statements of one epoch with different commitments are proof of equivocation.
 */

import { z } from 'zod';
import { hex32, ss58, unixMs } from '../fields.ts';

export const barrierBody = z.looseObject({
  /** The coordinator's hotkey. */
  validator: ss58,
  netuid: z.int().min(0).max(65_535),
  /** The epoch's first block. */
  epochBlock: z.int().min(0),
  epochHash: hex32,
  /** SHA-256 that binds the secret to the epoch: `barrierCommitment` of the domain. */
  commitment: hex32,
  /** 32 bytes; null as long as the reader may not know the second. */
  secret: hex32.nullable(),
  issuedAtMs: unixMs,
});

export type BarrierStatement = z.infer<typeof barrierBody>;
