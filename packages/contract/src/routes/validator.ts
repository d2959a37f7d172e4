/** What a validator's own API takes from and shows to a renter who asks it to verify a pod of theirs. */

import { z } from 'zod';
import { signedSchema } from '../documents/envelope.ts';
import { verificationFileSchema } from '../documents/proof-file.ts';
import { sshPublicKeyLine, unixMs, uuid } from '../fields.ts';

/** `POST /v1/verifications`: the grant of the renter's own paid lease. */
export const verificationAsk = z.object({
  grant: signedSchema('grant'),
  /** What the market's offer says of the units; it is repeated in the result. */
  listed: z.object({ class: z.string().max(32).nullable(), verdict: z.enum(['pass', 'fail']).nullable() }),
});

/** The answer: the key to let into the pod before `POST /v1/verifications/:id/start`. */
export const verificationOffer = z.object({
  verificationId: uuid,
  /** Let in only until the result is there; made for this one verification. */
  sshKey: sshPublicKeyLine,
  expiresAtMs: unixMs,
});

/** `GET /v1/verifications/:id`. */
export const verificationView = z.object({
  verificationId: uuid,
  state: z.enum(['waiting', 'running', 'done', 'failed']),
  /** Why it failed before there was a result; null otherwise. */
  message: z.string().nullable(),
  /** One per unit once it is done. */
  files: z.array(verificationFileSchema),
});

export type VerificationOffer = z.infer<typeof verificationOffer>;
export type VerificationView = z.infer<typeof verificationView>;
