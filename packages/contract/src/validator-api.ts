/** Paths of a validator's HTTP API that other programs rely on; all answer JSON, errors as in the table of error codes. */

export const VALIDATOR_API = {
  /**
   * GET: the signed `barrier` statement of the present epoch, from its coordinator; `NOT_FOUND` from everybody else. To a request that is
   * signed by a hotkey with a permit it carries the secret, to everybody once the barrier is over.
   */
  barrier: '/v1/barrier',
  /** POST a `VantageAsk`, signed by a hotkey with a permit: `{report}` with a signed `vantage-report` of a pod's published port. */
  vantage: '/v1/vantage',
} as const;
