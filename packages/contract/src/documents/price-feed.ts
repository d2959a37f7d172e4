/** A price feed: what a public source asks for a unit and hour of each GPU class, with the date that it says so. Unsigned: one voice of at least three. */

import { z } from 'zod';
import { amount, unixMs } from '../fields.ts';

/** Names this form and its version. */
export const PRICE_FEED_FORM = 'celium/price-feed/1';
/** A feed is never larger, bytes. */
export const MAX_PRICE_FEED_BYTES = 262_144;

export const priceFeed = z.looseObject({
  form: z.literal(PRICE_FEED_FORM),
  /** Where the prices were seen, in words. */
  about: z.string().max(500),
  observedAtMs: unixMs,
  prices: z.array(z.looseObject({ gpuClass: z.string().min(1).max(64), microUsdPerHour: amount })).max(500),
});
