/** The refusal: the agent's signed "no" to a lease request, with the paid grant that is in the way when the unit is busy. */

import { z } from 'zod';
import { hex32, hex64, machineId, unixMs, uuid } from '../fields.ts';
import { grantBody } from './grant.ts';

export const leaseRefusalBody = z.looseObject({
  requestId: uuid,
  machineId,
  /** A code of the error table. */
  code: z.string().max(64),
  message: z.string().max(500),
  /** The signed grant that holds the unit. */
  busyWith: z
    .looseObject({
      document: z.literal('grant'),
      version: z.int().min(1),
      body: grantBody,
      signer: hex32,
      signature: hex64,
    })
    .optional(),
  issuedAtMs: unixMs,
});

export type LeaseRefusalDocument = z.infer<typeof leaseRefusalBody>;
