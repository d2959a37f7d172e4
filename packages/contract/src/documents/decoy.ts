/** What a validator's log says of decoys: a commitment for every hour, whether it had any or none, and a day later what was behind it. */

import { z } from 'zod';
import { amount, hex32, ss58, unitId, unixMs, uuid } from '../fields.ts';
import { signedSchema } from './envelope.ts';

/** Kinds of log entries. */
export const DECOY_ENTRIES = { commitment: 'decoy-commitment', disclosure: 'decoys-disclosed' } as const;

/** Body of a `decoy-commitment`. */
export const decoyCommitment = z.looseObject({
  /** Hours since 1970 (`commitmentPeriodOf` in domain). */
  period: z.int().min(0),
  /** SHA-256 of the canonical `{period, salt, leaves}`. */
  commitment: hex32,
});
export type DecoyCommitment = z.infer<typeof decoyCommitment>;

/** One decoy as it is committed to. Its leaf is the SHA-256 of this in canonical form. */
export const decoyFacts = z.looseObject({
  decoyId: uuid,
  /** 32 random bytes: without them a leaf could be guessed. */
  salt: hex32,
  /** Public key of the market. */
  market: hex32,
  rentalId: uuid,
  /** SHA-256 of the grant's signing bytes. */
  grantHash: hex32,
  hotkey: ss58,
  machineKey: hex32,
  units: z.array(unitId).max(64),
  startedAtMs: unixMs,
});
export type DecoyFacts = z.infer<typeof decoyFacts>;

/** Body of a `decoys-disclosed`: everything that one commitment stands for. */
export const decoyDisclosure = z.looseObject({
  period: z.int().min(0),
  salt: hex32,
  /** In ascending order. */
  leaves: z.array(hex32).max(1_000),
  decoys: z
    .array(
      z.looseObject({
        facts: decoyFacts,
        endedAtMs: unixMs,
        /** What the decoy paid: revenue of that market that is no demand. */
        chargedMicroUsd: amount,
        /** A code: `CHECKED`, or why no proof came about. */
        outcome: z.string().max(64),
        receipts: z.array(signedSchema('receipt')).max(64),
      }),
    )
    .max(1_000),
});
export type DecoyDisclosure = z.infer<typeof decoyDisclosure>;
