/** An offer, a rental with its signed grant, a bill: as a market answers them. */

import { keyFromUri, signDocument, toHex } from '@celium/chain';
import type { Bill, Grant, Offer, Rental, Signed } from '@celium/contract';

export const SAMPLE_TIME_MS = 1_790_000_000_000;

const machine = keyFromUri('//Machine');
export const MACHINE_KEY = toHex(machine.publicKey);
export const HOST_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from('0000000b7373682d6564323535313900000020', 'hex'),
  Buffer.alloc(32, 7),
]).toString('base64')}`;

export const SAMPLE_OFFER: Offer = {
  offerId: '3f2a9c1e-51b4-4a53-9a55-0b6b1f1f2b11',
  machineId: 'rack-7',
  machineKey: MACHINE_KEY,
  hotkey: keyFromUri('//Hotkey').ss58,
  class: 'CPU',
  units: ['cpu:rack-7'],
  freeUnits: 1,
  priceMicroUsdPerUnitHour: '360000',
  committedUntilMs: 0,
  online: true,
  verdict: 'pass',
  verifiedAtMs: SAMPLE_TIME_MS - 61_000,
  receiptId: '4be1c0de-51b4-4a53-9a55-0b6b1f1f2b22',
  measured: { class: 'CPU', proofMs: 9_000 },
  machineCheck: null,
  hostAlarms: null,
  host: { cpuCores: 2, memoryBytes: 24_000_000_000, diskBytes: 80_000_000_000, location: 'Helsinki\u001b[31m' },
  link: null,
  unitConflict: null,
  notice: 'The owner of this machine can read its memory and disk.',
};

/** A grant of the sample machine; `changes` are signed too. */
export async function sampleGrant(changes: Partial<Grant> = {}, signer = machine): Promise<Signed<'grant'>> {
  const body: Grant = {
    leaseId: '11111111-51b4-4a53-9a55-0b6b1f1f2b33',
    requestId: '22222222-51b4-4a53-9a55-0b6b1f1f2b44',
    requestHash: 'ab'.repeat(32),
    authority: 'cd'.repeat(32),
    machineId: 'rack-7',
    units: ['cpu:rack-7'],
    fence: SAMPLE_TIME_MS,
    kind: 'paid',
    termMs: 86_400_000,
    hostKey: HOST_KEY,
    ports: [
      { pod: 22, host: 20_001 },
      { pod: 8080, host: 20_002 },
    ],
    bootId: 'boot',
    agentInstanceId: 'agent',
    issuedAtMs: SAMPLE_TIME_MS - 60_000,
    ...changes,
  };
  return await signDocument('grant', body, signer);
}

/** A running rental. */
export async function sampleRental(changes: Partial<Rental> = {}): Promise<Rental> {
  const grant = await sampleGrant();
  return {
    rentalId: '77b0aa10-51b4-4a53-9a55-0b6b1f1f2b55',
    offerId: SAMPLE_OFFER.offerId,
    machineId: 'rack-7',
    class: 'CPU',
    units: ['cpu:rack-7'],
    state: 'running',
    endReason: null,
    detail: null,
    unreachable: false,
    priceMicroUsdPerHour: '360000',
    check: null,
    movedFrom: null,
    movedTo: null,
    image: 'celium/base:bookworm',
    createdAtMs: SAMPLE_TIME_MS - 62_000,
    readyAtMs: SAMPLE_TIME_MS - 60_000,
    endedAtMs: null,
    billableMs: 60_000,
    chargedMicroUsd: '6000',
    heldMicroUsd: '90000',
    ssh: { host: '127.0.0.1', port: 20_001, user: 'root', hostKey: HOST_KEY },
    ports: [
      { pod: 22, host: 20_001 },
      { pod: 8080, host: 20_002 },
    ],
    grant,
    timeline: [],
    ...changes,
  };
}

/** The bill of the sample rental after it ended. */
export const SAMPLE_BILL: Bill = {
  rentalId: '77b0aa10-51b4-4a53-9a55-0b6b1f1f2b55',
  state: 'ended',
  endReason: 'renter-stopped',
  class: 'CPU',
  priceMicroUsdPerHour: '360000',
  createdAtMs: SAMPLE_TIME_MS - 62_000,
  readyAtMs: SAMPLE_TIME_MS - 60_000,
  endedAtMs: SAMPLE_TIME_MS,
  billableSeconds: 58.25,
  freeSeconds: [{ seconds: 2, reason: 'the pod was starting' }],
  chargedMicroUsd: '5825',
  providerMicroUsd: '5243',
  feeMicroUsd: '582',
  lines: [{ atMs: SAMPLE_TIME_MS, billableSeconds: 58.25, chargedMicroUsd: '5825' }],
};
