/** What has been seen of one track, forgotten by half in thirty days: evidence on top of the prior Beta(9, 1), in whole micro-observations. */

import { PPM, wholeSquareRoot } from '../incentive/parts-per-million.ts';
import { betaQuantilePpm } from './beta-quantile.ts';

/** Hours after which evidence counts half. */
export const HALF_LIFE_HOURS = 720;
/** The prior: nine good observations and a bad one, before anything was seen. */
export const PRIOR = { alpha: 9, beta: 1 } as const;
/** Observations below which a record is called new. */
export const FEW_OBSERVATIONS = 50;
/** The lower bound of a record without evidence: 0.05^(1/9). */
export const NEW_BOUND_PPM = 716_871n;

const DECAY_WHOLE = 10n ** 18n;
/** 2^(-1/720) in units of 10^-18, rounded down. */
const DECAY_PER_HOUR = 999_037_758_833_783_388n;
/** What is left of evidence after 0 to 719 hours. */
const DECAY: readonly bigint[] = decayTable();
/** Beyond this nothing is left of any evidence. */
const FORGOTTEN_HALF_LIVES = 64;

/** The evidence on one track as of an hour. Observations are whole millionths, never forgotten ones beside. */
export interface Posterior {
  successes: bigint;
  failures: bigint;
  /** All observations ever, not decayed: the sample size that is published. */
  observations: bigint;
  /** Hours since the unix epoch. */
  atHour: number;
}

/** A record without evidence. */
export function newPosterior(atHour: number): Posterior {
  return { successes: 0n, failures: 0n, observations: 0n, atHour };
}

/** The record as it stands at a later hour. For looking only: what is kept moves on when evidence comes, so that looking changes nothing. */
export function decayed(posterior: Posterior, hour: number): Posterior {
  const hours = hour - posterior.atHour;
  if (hours < 0) throw new RangeError('evidence comes in the order of its hours');
  if (hours === 0) return posterior;
  return {
    ...posterior,
    successes: decayBy(posterior.successes, hours),
    failures: decayBy(posterior.failures, hours),
    atHour: hour,
  };
}

/** The record with evidence of an hour, which is not before the last. Weights are millionths of an observation. */
export function observe(
  posterior: Posterior,
  hour: number,
  evidence: { successPpm?: bigint; failurePpm?: bigint },
): Posterior {
  const { successPpm = 0n, failurePpm = 0n } = evidence;
  if (successPpm < 0n || failurePpm < 0n) throw new RangeError('evidence is never negative');
  if (successPpm === 0n && failurePpm === 0n) return posterior;
  const now = decayed(posterior, hour);
  return {
    successes: now.successes + successPpm,
    failures: now.failures + failurePpm,
    observations: now.observations + successPpm + failurePpm,
    atHour: hour,
  };
}

/** Records of several units as one: all evidence together, as it stands at an hour. */
export function sumPosteriors(posteriors: readonly Posterior[], hour: number): Posterior {
  return posteriors.reduce((total, own) => {
    const now = decayed(own, hour);
    return {
      successes: total.successes + now.successes,
      failures: total.failures + now.failures,
      observations: total.observations + now.observations,
      atHour: hour,
    };
  }, newPosterior(hour));
}

/** What the track is worth: the 5 % lower quantile, in millionths. `evidenceDivisor` widens it where observations hang together. */
export function lowerBoundPpm(posterior: Posterior, evidenceDivisor = 1n): bigint {
  return quantile(0.05, posterior, evidenceDivisor);
}

/** The other end of the interval that is shown: the 95 % quantile. */
export function upperBoundPpm(posterior: Posterior, evidenceDivisor = 1n): bigint {
  return quantile(0.95, posterior, evidenceDivisor);
}

/** The mean of the posterior, in millionths. */
export function meanPpm({ successes, failures }: Posterior): bigint {
  const alpha = successes + BigInt(PRIOR.alpha) * PPM;
  return (alpha * PPM) / (alpha + failures + BigInt(PRIOR.beta) * PPM);
}

/** The 95 % one-sided lower bound by Wilson of a plain count of successes: what small samples are labelled with. */
export function wilsonBoundPpm(successes: bigint, total: bigint): bigint {
  if (successes < 0n || total < successes) throw new RangeError('successes are some of all');
  if (total === 0n) return 0n;
  // z = 1.6448536 and everything in millionths: (p + z2/2n - z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n).
  const z2 = 2_705_543n;
  const z2n = z2 / total;
  const p = (successes * PPM) / total;
  const spread = wholeSquareRoot(((p * (PPM - p)) / total + (z2 * PPM) / (4n * total * total)) * z2) / 1_000n;
  const bound = ((p + z2n / 2n - spread) * PPM) / (PPM + z2n);
  return bound < 0n ? 0n : bound;
}

function quantile(probability: number, { successes, failures }: Posterior, divisor: bigint): bigint {
  // Below 2^53, and one rounding each by a division: doubles that every machine has alike.
  const alpha = PRIOR.alpha + Number(successes / divisor) / 1_000_000;
  const beta = PRIOR.beta + Number(failures / divisor) / 1_000_000;
  return BigInt(betaQuantilePpm(probability, alpha, beta));
}

function decayBy(value: bigint, hours: number): bigint {
  const halvings = Math.floor(hours / HALF_LIFE_HOURS);
  if (halvings >= FORGOTTEN_HALF_LIVES) return 0n;
  return ((value * DECAY[hours % HALF_LIFE_HOURS]!) / DECAY_WHOLE) >> BigInt(halvings);
}

function decayTable(): bigint[] {
  const table = [DECAY_WHOLE];
  while (table.length < HALF_LIFE_HOURS) table.push((table.at(-1)! * DECAY_PER_HOUR) / DECAY_WHOLE);
  return table;
}
