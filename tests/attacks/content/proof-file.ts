/** Real proof files for the forgers: a challenge at micro size, its grant signed by a machine key, its receipt composed and signed as the validator does. */
import { createHash } from 'node:crypto';
import { documentHash, type KeyPair, keyFromSeed, signDocument, toHex } from '@celium/chain';
import { type Grant, PROOF_FILE_FORM, type ProofFile } from '@celium/contract';
import { type ProofClaim, proofParams } from '@celium/proof';
import { composeReceipt } from '../../../apps/validator/src/check/receipt.ts';
import type { RandomStream } from '../random.ts';
import type { Strategy } from './prover.ts';
import { type ContentTry, contentTry, prepare } from './trial.ts';

/** When all of it happens, in unix milliseconds. */
export const CHECKED_AT_MS = 1_790_000_000_000;

/** Everybody who signs something. */
export interface Parties {
  validator: KeyPair;
  hotkey: KeyPair;
  machine: KeyPair;
}

/** Fresh keys. */
export function randomParties(random: RandomStream): Parties {
  const key = (): KeyPair => keyFromSeed(random.bytes(32));
  return { validator: key(), hotkey: key(), machine: key() };
}

/** Random lowercase UUIDs. */
export function randomUuid(random: RandomStream): string {
  const hex = toHex(random.bytes(16));
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}

/** A grant's body for a CPU machine. */
export function grantBody(random: RandomStream, changes: Partial<Grant> = {}): Grant {
  const blob = Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), random.bytes(32)]);
  return {
    leaseId: randomUuid(random),
    requestId: randomUuid(random),
    requestHash: toHex(random.bytes(32)),
    authority: toHex(random.bytes(32)),
    machineId: 'rack-7',
    units: ['cpu:rack-7'],
    fence: CHECKED_AT_MS,
    kind: 'verification',
    termMs: 600_000,
    hostKey: `ssh-ed25519 ${blob.toString('base64')}`,
    ports: [{ pod: 22, host: 20_001 }],
    bootId: 'boot',
    agentInstanceId: 'agent',
    issuedAtMs: CHECKED_AT_MS,
    ...changes,
  };
}

/** A check as it went: the file, and what it was made from. */
export interface MadeFile {
  file: ProofFile;
  tried: ContentTry;
}

/** Makes the proof file of one check against a strategy; `claimOf` lets a lying validator change what it signs. */
export async function makeProofFile(
  parties: Parties,
  random: RandomStream,
  strategy: Strategy = {},
  claimOf: (claim: ProofClaim) => ProofClaim = (claim) => claim,
): Promise<MadeFile> {
  const grant = await signDocument('grant', grantBody(random), parties.machine);
  const blob = Buffer.from(grant.body.hostKey.split(' ')[1] ?? '', 'base64');
  const binding = {
    blockHash: toHex(random.bytes(32)),
    hotkey: toHex(parties.hotkey.publicKey),
    machineKey: toHex(parties.machine.publicKey),
    grantHash: documentHash(grant),
    hostKeyHash: createHash('sha256').update(blob).digest('hex'),
    unit: 'cpu:rack-7',
    barrierId: toHex(random.bytes(16)),
  };
  const tried = await contentTry(
    prepare(() => strategy, random, binding),
    random,
  );
  const facts = {
    validator: parties.validator.ss58,
    hotkey: parties.hotkey.ss58,
    machineId: 'rack-7',
    machineKey: binding.machineKey,
    grant,
    hostKeyHash: binding.hostKeyHash,
    barrierId: binding.barrierId,
    networkBarrier: false,
    blockNumber: 1,
    blockHash: binding.blockHash,
    tested: 1,
    leased: 0,
    startedAtMs: CHECKED_AT_MS,
    endedAtMs: CHECKED_AT_MS + 60_000,
  };
  const params = proofParams('micro', 'onboarding');
  const outcome = { kind: 'proof', claim: claimOf(tried.claim), result: tried.result } as const;
  const body = composeReceipt(randomUuid(random), binding.unit, params, facts, outcome);
  const receipt = await signDocument('receipt', body, parties.validator);
  return { file: { form: PROOF_FILE_FORM, receipt, grant, transcript: tried.result.transcript }, tried };
}
