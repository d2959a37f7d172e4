/** Puts what a renter measured into the signed form: a verification, with the grant and the transcript that anyone needs to repeat its audit. */

import { randomUUID } from 'node:crypto';
import { documentHash, signDocument, type KeySigner } from '@celium/chain';
import { VERIFICATION_FILE_FORM, type Offer, type Signed, type VerificationFile } from '@celium/contract';
import { classifyGpu, GENERIC_GPU_CLASS, isCpuUnit, printableAscii } from '@celium/domain';
import { ratesOf, runOfClaim } from '@celium/proof';
import type { UnitProof } from './prove-pod.ts';

/** What all units of one verification share. */
export interface VerificationFacts {
  offer: Offer;
  grant: Signed<'grant'>;
  /** SHA-256 of the granted host key, which OpenSSH was told to accept alone. */
  hostKeyHash: string;
  /** What the machine calls each of its GPUs, by unit: it decides the sizes of the challenge and what the time is held against. */
  claimedModels: ReadonlyMap<string, string>;
  block: { number: number; hash: string };
  startedAtMs: number;
  endedAtMs: number;
}

const MAX_MESSAGE = 160;

/** The signed file of one unit. */
export async function composeVerification(
  { unit, params, claim, result }: UnitProof,
  facts: VerificationFacts,
  signer: KeySigner,
): Promise<VerificationFile> {
  const { offer, grant } = facts;
  const passed = claim.verdict === 'pass';
  const shown = runOfClaim(claim);
  const run = shown === null ? null : { claimedModel: facts.claimedModels.get(unit) ?? '', ...shown };
  const figure = (value: number): number => Math.max(0, Math.round(value));
  const verification = await signDocument(
    'verification',
    {
      verificationId: randomUUID(),
      verifier: signer.ss58,
      hotkey: offer.hotkey,
      machineId: offer.machineId,
      machineKey: offer.machineKey,
      unit,
      grantHash: documentHash(grant),
      hostKeyHash: facts.hostKeyHash,
      barrierId: '',
      blockNumber: facts.block.number,
      blockHash: facts.block.hash,
      params: `${params.version}:${params.sizeClass}`,
      onboarding: params.purpose === 'onboarding',
      transcriptHash: claim.transcriptHash,
      verdict: claim.verdict,
      reason: { code: passed ? 'OK' : claim.reason, message: printableAscii(claim.detail, MAX_MESSAGE) },
      measured: {
        class: isCpuUnit(unit) ? 'CPU' : passed && run !== null ? classifyGpu(run) : GENERIC_GPU_CLASS,
        workPerSecond: passed ? figure(claim.figures.measuredRateUnitsPerSecond) : 0,
        memoryBytes: passed ? figure(claim.figures.memoryBytes) : 0,
        ...ratesOf(params, passed ? result.timing.rootArrivalsMs : []),
        proofMs: figure(claim.figures.elapsedMs),
        deadlineMs: figure(claim.figures.limitMs),
        rttMs: figure(claim.figures.rttMinMs),
      },
      listed: { class: offer.class, verdict: offer.verdict },
      startedAtMs: facts.startedAtMs,
      endedAtMs: facts.endedAtMs,
      proof: { params: claim.params, figures: claim.figures },
    },
    signer,
  );
  return { form: VERIFICATION_FILE_FORM, verification, grant, transcript: result.transcript };
}
