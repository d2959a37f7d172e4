/** The verification: what a renter measured in a pod of their own, signed by the renter's key; at most 2 kB in canonical form. */

import { z } from 'zod';
import { ss58, uuid } from '../fields.ts';
import { receiptBody } from './receipt.ts';

/**
 * The body has a receipt's facts, but it is no receipt: nobody's score or pay follows from it. `celium proof verify` repeats its audit like a
 * receipt's. Content can be repeated by anyone; time is the word of whoever signed.
 */
export const verificationBody = receiptBody
  .omit({ receiptId: true, validator: true, tested: true, leased: true, simulated: true })
  .extend({
    verificationId: uuid,
    /** The key that signed: the renter's. */
    verifier: ss58,
    /** What the market's offer said of the unit when it was verified. */
    listed: z.looseObject({ class: z.string().max(32).nullable(), verdict: z.enum(['pass', 'fail']).nullable() }),
  });

export type Verification = z.infer<typeof verificationBody>;
