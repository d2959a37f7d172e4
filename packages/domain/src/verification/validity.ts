/** How long what a check found counts. */

/** A receipt older than this says nothing any more, in milliseconds. */
export const RECEIPT_VALID_MS = 24 * 3_600_000;
