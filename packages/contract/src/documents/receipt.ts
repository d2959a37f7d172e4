/** The receipt: a validator's signed verdict on one check of one unit; at most 2 kB in canonical form. */

import { z } from 'zod';
import { hex32, leaseKind, machineId, ss58, unitId, unixMs, uuid } from '../fields.ts';

/** What was measured between two units of a machine. */
export const receiptPair = z.looseObject({
  /** The unit whose memory was reached. */
  peer: unitId,
  verdict: z.enum(['pass', 'fail']),
  /** On a pass `OK`. */
  code: z.string().max(64),
  /** 16 KiB for each answer of the chain, the time of its last root, and the rate that follows; 0 for what was not seen. */
  bytes: z.int().min(0),
  elapsedMs: z.int().min(0),
  bytesPerSecond: z.number().min(0),
  /** SHA-256 of the pair's transcript, kept beside that of the unit. */
  transcriptHash: hex32,
});

export const receiptBody = z.looseObject({
  receiptId: uuid,
  /** The validator's hotkey. */
  validator: ss58,
  hotkey: ss58,
  machineId,
  machineKey: hex32,
  unit: unitId,
  /** SHA-256 of the grant's signing bytes, and of the pod's host key as the validator saw it. */
  grantHash: hex32,
  hostKeyHash: hex32,
  /** `paid` when that grant is a renter's: the check was a decoy. Left out for an announced check. */
  lease: leaseKind.optional(),
  /** What all units of one run share. */
  barrierId: z.string().max(64),
  /** The run started at the second of this epoch's barrier of the network, which `barrierId` names. Left out for a run that was made alone. */
  networkBarrier: z.literal(true).optional(),
  blockNumber: z.int().min(0),
  blockHash: z.string().max(66),
  /** Version and size of the parameters: `cgp1/params/1:cpu-demo`. */
  params: z.string().max(64),
  onboarding: z.boolean(),
  /** SHA-256 of the transcript, kept content-addressed by the validator. Empty when there was none to keep. */
  transcriptHash: z.union([hex32, z.literal('')]),
  verdict: z.enum(['pass', 'fail']),
  /** A code and words; on a pass `OK`. */
  reason: z.looseObject({ code: z.string().max(64), message: z.string().max(300) }),
  /** What was measured, class first: never what was claimed. */
  measured: z.looseObject({
    /** `CPU` for a machine without a GPU, else the GPU class that the time of the chain bears; `NVIDIA` for a card that bears none of the table. */
    class: z.string().max(32),
    /** On a CPU units of nominal work; on a GPU 1,000 stands for the pace of its size class. */
    workPerSecond: z.number().min(0),
    memoryBytes: z.int().min(0),
    /** Rates per axis as the roots arrived. A prover can shift time between them; the class rests on the sum. */
    sweepBytesPerSecond: z.number().min(0),
    walkHopsPerSecond: z.number().min(0),
    int8OpsPerSecond: z.number().min(0),
    bf16OpsPerSecond: z.number().min(0).optional(),
    proofMs: z.int().min(0),
    deadlineMs: z.int().min(0),
    rttMs: z.number().min(0),
  }),
  /** The pair of units that this one led, in a check of a whole machine: what crossed between their memories. Left out where none was measured. */
  pair: receiptPair.optional(),
  tested: z.int().min(0),
  leased: z.int().min(0),
  startedAtMs: unixMs,
  endedAtMs: unixMs,
  simulated: z.boolean().optional(),
});

export type Receipt = z.infer<typeof receiptBody>;
