/** Proof files: a signed result with the grant and the transcript that it names. `GET /v1/proofs/<receiptId>` serves those of receipts, `celium verify` writes those of a renter's own verification, `celium proof verify` reads both. */

import { z } from 'zod';
import { signedSchema } from './envelope.ts';
import type { Receipt } from './receipt.ts';
import type { Verification } from './verification.ts';

export const PROOF_FILE_FORM = 'celium/proof-file/1';

export const proofFileSchema = z.looseObject({
  form: z.literal(PROOF_FILE_FORM),
  receipt: signedSchema('receipt'),
  /** What the receipt's `grantHash` is the hash of. */
  grant: signedSchema('grant'),
  /** As `parseTranscript` of `@celium/proof` reads it (given as JSON text); null when the check ended before there was one. */
  transcript: z.unknown(),
  /** Where the receipt has a `pair`: as `parsePairTranscript` reads it. */
  pairTranscript: z.unknown().optional(),
});

export type ProofFile = z.infer<typeof proofFileSchema>;

export const VERIFICATION_FILE_FORM = 'celium/verification-file/1';

/** The same for a renter's own verification. */
export const verificationFileSchema = z.looseObject({
  form: z.literal(VERIFICATION_FILE_FORM),
  verification: signedSchema('verification'),
  grant: signedSchema('grant'),
  transcript: z.unknown(),
});

export type VerificationFile = z.infer<typeof verificationFileSchema>;

/** The figures of a proof inside a receipt (`receipt.proof`): those of `ProofClaim` in `@celium/proof`, -1 for what was never observed. */
export const receiptProof = z.object({
  params: z.object({ version: z.string(), sizeClass: z.string(), purpose: z.string(), memoryBytes: z.int() }),
  figures: z.record(z.string().max(32), z.int()),
});

/** The proof's part of a receipt (or verification) in the form that `checkClaim` of `@celium/proof` takes; null when the check ended before a proof began. */
export function claimOfReceipt(receipt: Receipt | Verification): {
  params: z.infer<typeof receiptProof>['params'];
  transcriptHash: string;
  verdict: 'pass' | 'fail';
  reason: string;
  detail: string;
  figures: Record<string, number>;
} | null {
  const proof = receiptProof.safeParse(receipt['proof']);
  if (!proof.success) return null;
  return {
    params: proof.data.params,
    transcriptHash: receipt.transcriptHash,
    verdict: receipt.verdict,
    reason: receipt.reason.code === 'OK' ? 'none' : receipt.reason.code,
    detail: receipt.reason.message,
    figures: proof.data.figures,
  };
}

/** The pair of a receipt in the form that `checkPairClaim` of `@celium/proof` takes; null where none was measured. */
export function pairClaimOfReceipt({ pair }: Receipt): {
  peer: string;
  verdict: 'pass' | 'fail';
  reason: string;
  bytes: number;
  elapsedMs: number;
  bytesPerSecond: number;
  transcriptHash: string;
} | null {
  if (pair === undefined) return null;
  const { peer, verdict, code, bytes, elapsedMs, bytesPerSecond, transcriptHash } = pair;
  return { peer, verdict, reason: code === 'OK' ? 'none' : code, bytes, elapsedMs, bytesPerSecond, transcriptHash };
}

/** What a transcript must be bound to for this receipt: equals `transcript.binding`. `hotkeyHex` is the public key of `receipt.hotkey`. */
export function bindingOfReceipt(receipt: Receipt | Verification, hotkeyHex: string): Record<string, string> {
  return {
    blockHash: receipt.blockHash,
    hotkey: hotkeyHex,
    machineKey: receipt.machineKey,
    grantHash: receipt.grantHash,
    hostKeyHash: receipt.hostKeyHash,
    unit: receipt.unit,
    barrierId: receipt.barrierId,
  };
}
