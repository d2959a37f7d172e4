/** The real time: the proof's monotonic clock, and the wall clock for documents. */

import { systemClock } from '@celium/proof';
import type { ValidatorClock } from './ports.ts';

/** `performance.now()`, `setTimeout` and `Date.now()`. */
export const systemTime: ValidatorClock = { ...systemClock, unixMs: () => Date.now() };
