/** Renting: one transaction reserves the units, holds the money, stores the rental and writes the request to the outbox. */
import { createHash } from 'node:crypto';
import { CeliumError, canonicalJson, type MoveReason, type Signed } from '@celium/contract';
import { documentHash, signDocument } from '@celium/chain';
import {
  BASE_IMAGE,
  EMPTY_METER,
  HAND_OVER_CHECK_MS,
  MIN_TERM_MS,
  faultOfPodSpec,
  needsCheckBeforeHandOver,
  refusalOfOffer,
  reserve,
  type OfferFacts,
  type PodSpec,
} from '@celium/domain';
import { brokenConstraint, type Tx } from '../database/market-database.ts';
import type { PodKey, RentableOffer, RentalEvent, RentalParts, RentalRow } from './parts.ts';
import { insertRental } from './rentals.store.ts';

/** What a renter asks for. */
export interface RentAsk {
  offerId: string;
  unitCount?: number | undefined;
  pod: Partial<PodSpec>;
  sshKeyIds?: string[] | undefined;
  maxPriceMicroUsdPerUnitHour?: string | undefined;
  moveOn?: MoveReason[] | undefined;
}

/** A rental just made, with what its renter sees of it. */
export interface Rented {
  row: RentalRow;
  heldMicroUsd: bigint;
  event: RentalEvent;
}

/**
 * Rents in the caller's transaction. Throws what the contract's table has for it: OFFER_*, NO_BALANCE, NO_SSH_KEY, BAD_POD_SPEC.
 *
 * @param movedFrom the rental that this one takes over from
 */
export async function rent(
  parts: RentalParts,
  tx: Tx,
  accountId: string,
  ask: RentAsk,
  movedFrom: string | null = null,
): Promise<Rented> {
  const { clock, crashHere } = parts.ports;
  const pod = { image: BASE_IMAGE, env: {}, ports: [], volumeBytes: 0, ...ask.pod };
  const fault = faultOfPodSpec(pod);
  if (fault !== null) throw new CeliumError('BAD_POD_SPEC', `pod.${fault.field}: ${fault.why}`);
  const nowMs = clock.now();
  const sshKeys = await chooseKeys(parts, tx, accountId, ask.sshKeyIds);
  const offer = await parts.lockOffer(tx, ask.offerId, nowMs);
  if (offer === null) throw new CeliumError('OFFER_UNKNOWN');
  const units = chooseUnits(offer, ask);
  const moveOn = ask.moveOn ?? [];
  const { row, request } = await makeRental(parts, { accountId, offer, units, pod, sshKeys, nowMs, moveOn, movedFrom });
  const event = { atMs: nowMs, state: 'reserved', detail: `reserved; ${row.detail ?? 'the machine is asked'}` };
  await insertOrRefuse(tx, row, event);
  const heldMicroUsd = await parts.billing.holdFirst(tx, row);
  tx.afterCommit(() => crashHere('market.rent.committed'));
  const { rentalId, machineKey } = row;
  // While the units are checked nothing is asked of the agent: it would refuse the validator a lease of them.
  if (row.rental.check !== null) await parts.handOvers.write(tx, rentalId, request);
  else await parts.outbox.write(tx, { rentalId, machineKey, type: 'request-lease', payload: request });
  crashHere('market.rent.before-commit');
  return { row, heldMicroUsd, event };
}

async function chooseKeys(
  parts: RentalParts,
  tx: Tx,
  accountId: string,
  wanted: string[] | undefined,
): Promise<PodKey[]> {
  const keys = await parts.sshKeysOf(tx.db, accountId);
  if (wanted === undefined) {
    if (keys.length === 0) throw new CeliumError('NO_SSH_KEY');
    return keys.slice(0, 64).map(({ id, publicKey }) => ({ id, publicKey }));
  }
  if (wanted.length === 0) throw new CeliumError('NO_SSH_KEY');
  return wanted.map((id) => {
    const key = keys.find((known) => known.id === id);
    if (key === undefined) throw new CeliumError('NOT_FOUND', `sshKeyIds: the account has no SSH key ${id}`);
    return { id: key.id, publicKey: key.publicKey };
  });
}

function chooseUnits(offer: RentableOffer, ask: RentAsk): string[] {
  const unitCount = ask.unitCount ?? offer.units.length;
  if (unitCount > offer.units.length) {
    throw new CeliumError('BAD_REQUEST', `unitCount: this offer has ${offer.units.length} units`);
  }
  const facts: OfferFacts = {
    priceMicroUsdPerHour: offer.priceMicroUsdPerUnitHour,
    online: offer.online,
    verdict: offer.verdict,
    freeUnits: offer.freeUnits.length,
    simulated: offer.simulated,
    unitConflict: offer.unitConflict,
  };
  const refusal = refusalOfOffer(facts, unitCount);
  if (refusal === 'OFFER_TAKEN' && offer.freeUnits.length > 0) {
    throw new CeliumError('OFFER_TAKEN', `only ${offer.freeUnits.length} of ${unitCount} units are free now`);
  }
  if (refusal !== null) throw new CeliumError(refusal);
  const most = ask.maxPriceMicroUsdPerUnitHour;
  if (most !== undefined && offer.priceMicroUsdPerUnitHour > BigInt(most)) {
    throw new CeliumError(
      'CONFLICT',
      `the price is ${offer.priceMicroUsdPerUnitHour} micro-dollars per unit and hour, above the ${most} asked for`,
    );
  }
  return offer.freeUnits.slice(0, unitCount);
}

interface RentalPlan {
  accountId: string;
  offer: RentableOffer;
  units: string[];
  pod: PodSpec;
  sshKeys: PodKey[];
  nowMs: number;
  moveOn: MoveReason[];
  movedFrom: string | null;
}

async function makeRental(
  parts: RentalParts,
  plan: RentalPlan,
): Promise<{ row: RentalRow; request: Signed<'lease-request'> }> {
  const { randomness } = parts.ports;
  const { offer, units, pod, sshKeys, nowMs } = plan;
  const requestId = randomness.uuid();
  const request = await signRequestFor(parts, plan, requestId);
  const isChecked = needsCheckBeforeHandOver(
    { class: offer.class, verifiedAtMs: oldestOf(units.map((unit) => offer.unitVerifiedAtMs[unit])) },
    nowMs,
    parts.receiptAgeMs ?? undefined,
  );
  const row: RentalRow = {
    rentalId: randomness.uuid(),
    accountId: plan.accountId,
    offerId: offer.offerId,
    requestId,
    requestHash: documentHash(request),
    machineKey: offer.machineKey,
    machineId: offer.machineId,
    hotkey: offer.hotkey,
    units,
    class: offer.class,
    priceMicroUsdPerHour: offer.priceMicroUsdPerUnitHour * BigInt(units.length),
    feeBasisPoints: parts.feeBasisPoints,
    payoutColdkey: offer.payoutColdkey,
    pod,
    sshKeys,
    publicHost: offer.publicHost,
    createdAtMs: nowMs,
    moveOn: plan.moveOn,
    movedFrom: plan.movedFrom,
    movedTo: null,
    rental: reserve(nowMs, isChecked ? nowMs + HAND_OVER_CHECK_MS : null).rental,
    endedAtMs: null,
    detail: isChecked ? CHECKING : null,
    leaseId: null,
    fence: null,
    grant: null,
    sequence: 1,
    termRenewedAtMs: null,
    meter: EMPTY_METER,
    chargedMicroUsd: 0n,
    providerMicroUsd: 0n,
    feeMicroUsd: 0n,
  };
  return { row, request };
}

/** What a renter reads while the units are checked. */
const CHECKING = `checking the machine before it is yours, at most ${HAND_OVER_CHECK_MS / 1_000} s`;

/** The earliest of these times; null when one is missing. */
function oldestOf(times: ReadonlyArray<number | undefined>): number | null {
  return times.reduce<number | null>(
    (oldest, time) => (oldest === null || time === undefined ? null : Math.min(oldest, time)),
    Number.POSITIVE_INFINITY,
  );
}

/** Signed once and sent as often as needed: the same bytes each time, so that the grant's hash of it fits. */
async function signRequestFor(
  parts: RentalParts,
  plan: RentalPlan,
  requestId: string,
): Promise<Signed<'lease-request'>> {
  const body = {
    requestId,
    authorityKind: 'market' as const,
    machineId: plan.offer.machineId,
    machineKey: plan.offer.machineKey,
    units: plan.units,
    kind: 'paid' as const,
    pod: { ...plan.pod },
    podDigest: createHash('sha256').update(canonicalJson(plan.pod)).digest('hex'),
    termMs: MIN_TERM_MS,
    sshKeys: plan.sshKeys.map((key) => key.publicKey),
    sequence: 1,
    issuedAtMs: plan.nowMs,
  };
  return signDocument('lease-request', body, parts.ports.key);
}

async function insertOrRefuse(tx: Tx, row: RentalRow, event: RentalEvent): Promise<void> {
  try {
    await insertRental(tx, row, event);
  } catch (fault) {
    if (brokenConstraint(fault) !== 'one_open_reservation_per_unit') throw fault;
    throw new CeliumError('OFFER_TAKEN', 'someone else took these units at the same moment');
  }
}
