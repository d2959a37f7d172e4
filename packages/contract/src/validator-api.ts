/** Paths of a validator's HTTP API that other programs rely on; all answer JSON, errors as in the table of error codes. */

import { z } from 'zod';
import { signedSchema } from './documents/envelope.ts';
import { hex32, unitId, unixMs } from './fields.ts';

export const VALIDATOR_API = {
  /**
   * GET: the signed `barrier` statement of the present epoch, from its coordinator; `NOT_FOUND` from everybody else. To a request that is
   * signed by a hotkey with a permit it carries the secret, to everybody once the barrier is over.
   */
  barrier: '/v1/barrier',
  /** POST a `VantageAsk`, signed by a hotkey with a permit: `{report}` with a signed `vantage-report` of a pod's published port. */
  vantage: '/v1/vantage',
  /**
   * POST a `handOverAsk`, signed by a market that the machine's manifest lists: a short check of units before they are handed to a renter. The
   * answer, a `handOverAnswer`, comes when the check is over, or when there was no room for it until `deadlineMs`.
   */
  checks: '/v1/checks',
} as const;

/** What a market asks before it hands units over. */
export const handOverAsk = z.object({
  machineKey: hex32,
  units: z.array(unitId).min(1).max(64),
  /** No check is begun after this, unix milliseconds. */
  deadlineMs: unixMs,
});
export type HandOverAsk = z.infer<typeof handOverAsk>;

/** What came of it: `CHECKED` with a receipt of each tested unit, or the code of why there was no check. */
export const handOverAnswer = z.looseObject({
  outcome: z.string().max(64),
  message: z.string().max(300),
  receipts: z.array(signedSchema('receipt')).max(64),
});
export type HandOverAnswer = z.infer<typeof handOverAnswer>;
