/**
 * The machine receipt: a validator's signed verdict on what surrounds a machine's units: its disk, a real deploy, its ports, its network, its place.
 * At most 2 kB in canonical form.
 */

import { z } from 'zod';
import { hex32, machineId, ss58, unixMs, uuid } from '../fields.ts';

const verdict = {
  /** `not-tested`: this check did not look at it, or could not. */
  verdict: z.enum(['pass', 'fail', 'not-tested']),
  /** `OK` on a pass; else what went wrong, or why it was not tested. */
  code: z.string().max(32),
  /** Words for people; printable ASCII. */
  message: z.string().max(100),
};

/** What one machine check saw of each part. Figures of what was not tested are 0. */
export const machineParts = z.looseObject({
  storage: z.looseObject({
    ...verdict,
    bytesWritten: z.int().min(0),
    bytesRead: z.int().min(0),
    /** Passes over each block: what making a block again costs. */
    passes: z.int().min(0),
    readP50Ms: z.number().min(0),
    readP90Ms: z.number().min(0),
    readP99Ms: z.number().min(0),
  }),
  image: z.looseObject({
    ...verdict,
    /** Digest of the image that was deployed, `sha256:...`; empty for none. */
    digest: z.string().max(80),
    imageBytes: z.int().min(0),
    bytesRead: z.int().min(0),
    /** From grant to ready. */
    deployMs: z.int().min(0),
  }),
  ports: z.looseObject({
    ...verdict,
    tried: z.int().min(0),
    reached: z.int().min(0),
    /** Ports of the range that were reached at some time by this validator, and how many the range has. */
    rangeReached: z.int().min(0),
    rangePorts: z.int().min(0),
  }),
  network: z.looseObject({
    ...verdict,
    /** Out of the pod, and into it, at the fastest vantage point. */
    upBytesPerSecond: z.int().min(0),
    downBytesPerSecond: z.int().min(0),
    payloadBytes: z.int().min(0),
    vantages: z.int().min(0),
  }),
  location: z.looseObject({
    ...verdict,
    rttMinMs: z.number().min(0),
    /** Light cannot have come from farther away. */
    distanceKmAtMost: z.int().min(0),
    vantages: z.int().min(0),
  }),
});
export type MachineParts = z.infer<typeof machineParts>;

export const machineReceiptBody = z.looseObject({
  receiptId: uuid,
  /** The validator's hotkey. */
  validator: ss58,
  hotkey: ss58,
  machineId,
  machineKey: hex32,
  /** SHA-256 of the grant's signing bytes, and of the pod's host key as the validator saw it. */
  grantHash: hex32,
  hostKeyHash: hex32,
  blockNumber: z.int().min(0),
  blockHash: z.string().max(66),
  /** `fail` as soon as one part failed. */
  verdict: z.enum(['pass', 'fail']),
  parts: machineParts,
  startedAtMs: unixMs,
  endedAtMs: unixMs,
  simulated: z.boolean().optional(),
});

export type MachineReceipt = z.infer<typeof machineReceiptBody>;
