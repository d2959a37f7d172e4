/** How long what a check found counts. */

/** A proven fraud of a machine key stands for this long, in milliseconds. */
export const FRAUD_STANDS_MS = 30 * 24 * 3_600_000;
/** A receipt older than this says nothing any more, in milliseconds. */
export const RECEIPT_VALID_MS = 24 * 3_600_000;
