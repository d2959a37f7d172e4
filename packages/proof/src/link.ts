/** Which links cannot time a short chain: far ones and lossy ones, as the probes before a challenge show them. */

/** From this round trip on a link is far. */
const FAR_RTT_MS = 180;
/** A lost packet comes again after at least this long: the shortest timeout of a kernel's TCP. */
const RETRANSMISSION_MS = 200;
/** From this share of lost packets on a link is lossy. */
const LOSSY_SHARE = 0.01;

/**
 * Whether a routine check has to run the long chain: the shortest round trip is 180 ms or more, or 1 % of the probes or more took a retransmission. With 20
 * probes one is enough; at 1 % of loss a third of the series show one (a round trip is two packets), so a check that failed is repeated with the long chain in any case. A prover that
 * holds probes back gets more work and no more credit.
 */
export function isLongLink(rttMs: readonly number[]): boolean {
  if (rttMs.length === 0) return false;
  const shortest = Math.min(...rttMs);
  const lost = rttMs.filter((one) => one >= shortest + RETRANSMISSION_MS).length;
  return shortest >= FAR_RTT_MS || lost / rttMs.length >= LOSSY_SHARE;
}
