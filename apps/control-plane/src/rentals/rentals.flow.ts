/**
 * The one way in which a rental changes: load and lock it, fold what was seen into its meter, let domain decide, store, and carry
 * out the effects: those on our own tables here and now, those on the machine through the outbox.
 */
import { CeliumError, type Signed } from '@celium/contract';
import {
  decide,
  isBeingChecked,
  probeCounts,
  seenByAgent,
  seenByMarket,
  type AgentSighting,
  type EndReason,
  type MarketMoment,
  type Rental,
  type RentalCommand,
  type RentalEffect,
} from '@celium/domain';
import type { Tx } from '../database/market-database.ts';
import type { EffectType } from '../outbox/outbox.worker.ts';
import type { RentalParts, RentalRow } from './parts.ts';
import { addEvent, lockRental, readRental, releaseUnits, saveRental } from './rentals.store.ts';

export { lockRental, noteMoved, readRental } from './rentals.store.ts';

/** What has happened, all in one go. */
export interface RentalStep {
  /** The agent's word on the pod. */
  sighting?: AgentSighting;
  /** A probe that got through. */
  probe?: { moment: MarketMoment; marketWasAway: boolean };
  /** The agent's grant, checked. */
  grant?: Signed<'grant'>;
  command?: RentalCommand;
  /** Words for the renter; given the row as it is now, null for nothing to say. */
  detail?: string | ((row: RentalRow) => string | null);
  /** Words for the timeline when the check before the hand-over is over without a failure; null for the usual ones. */
  checkDetail?: string | null;
  /** Charge what the meter shows, and top the hold up. */
  settle?: boolean;
}

const ALL_EFFECTS: readonly EffectType[] = ['request-lease', 'stop-lease', 'set-ssh-keys', 'renew'];

export interface Stepped {
  row: RentalRow;
  /** The money does not reach for the next minutes. */
  exhausted: boolean;
}

/** Takes one step in the caller's transaction. Throws NOT_FOUND, and what domain refuses. */
export async function stepRental(parts: RentalParts, tx: Tx, rentalId: string, step: RentalStep): Promise<Stepped> {
  const nowMs = parts.ports.clock.now();
  const before = await lockRental(tx, rentalId);
  if (before === null) throw new CeliumError('NOT_FOUND');
  let row = fold(before, step);
  let effects: RentalEffect[] = [];
  if (step.command !== undefined) {
    const decision = decide(row.rental, step.command, nowMs);
    if (!decision.ok) throw new CeliumError(decision.refusal);
    row = { ...row, rental: decision.rental };
    effects = decision.effects;
  }
  // The machine has no such lease any more, or never had one: whatever was still to be said about it need not be said.
  const neverGranted = row.rental.state === 'ended' && before.rental.state !== 'ended' && !row.rental.granted;
  if (step.command?.type === 'pod-gone' || neverGranted) await parts.outbox.finish(tx, rentalId, ALL_EFFECTS);
  row = withOutcome(before, row, step, nowMs);
  if (row !== before) await saveRental(tx, row);
  if (row.grant !== null && row.grant.signature !== before.grant?.signature) {
    const renter = parts.publicLog.pseudonym(row.accountId);
    await parts.publicLog.publish(tx, 'grant', { rentalId, renter, grant: row.grant });
  }
  const checkIsOver = isBeingChecked(before.rental) && !isBeingChecked(row.rental);
  const waiting = checkIsOver ? await parts.handOvers.close(tx, rentalId) : null;
  if (row.rental.state !== before.rental.state) await onNewState(parts, tx, row, nowMs);
  else if (checkIsOver)
    await addEvent(tx, rentalId, { atMs: nowMs, state: 'reserved', detail: wordsForCheck(row, step) });
  await carryOutHere(parts, tx, { before: before.rental, row, effects, waiting }, nowMs);
  let exhausted = false;
  if (step.settle === true && row.rental.state === 'running') {
    await settle(parts, tx, rentalId);
    exhausted = await parts.billing.topUp(tx, row);
  }
  if (before.grant !== null && row.grant !== before.grant) tx.afterCommit(() => parts.probing.watch(row));
  const isNews = row.rental.state !== before.rental.state || row.detail !== before.detail;
  tx.afterCommit(() => afterwards(parts, row, isNews));
  return { row, exhausted };
}

/** Takes one step in a transaction of its own. */
export async function takeStep(parts: RentalParts, rentalId: string, step: RentalStep): Promise<Stepped> {
  return parts.database.transaction((tx) => stepRental(parts, tx, rentalId, step));
}

/** The rental, if it is this account's. Throws NOT_FOUND. */
export async function ownRental(parts: RentalParts, accountId: string, rentalId: string): Promise<RentalRow> {
  const row = await readRental(parts.database.db, rentalId);
  if (row === null || row.accountId !== accountId)
    throw new CeliumError('NOT_FOUND', 'there is no such rental of yours');
  return row;
}

function fold(row: RentalRow, step: RentalStep): RentalRow {
  if (row.rental.state === 'ended') return row;
  let meter = row.meter;
  if (step.probe !== undefined && probeCounts(row.rental))
    meter = seenByMarket(meter, step.probe.moment, step.probe.marketWasAway);
  if (step.sighting !== undefined) meter = seenByAgent(meter, step.sighting);
  return meter === row.meter ? row : { ...row, meter };
}

function withOutcome(before: RentalRow, row: RentalRow, step: RentalStep, nowMs: number): RentalRow {
  const next = { ...row };
  if (step.grant !== undefined && (before.leaseId === null || before.rental.state !== 'ended')) {
    // A machine may sign the grant of a lease again, with other ports, while its pod starts.
    next.grant = step.grant;
    next.leaseId = step.grant.body.leaseId;
    next.fence = step.grant.body.fence;
    next.termRenewedAtMs = nowMs;
  }
  // What was said of the check is over with it; its outcome stands in the timeline.
  if (isBeingChecked(before.rental) && !isBeingChecked(row.rental)) next.detail = null;
  const said = typeof step.detail === 'function' ? step.detail(before) : step.detail;
  if (said !== undefined && said !== null && before.rental.state !== 'ended') next.detail = said;
  const { endReason } = row.rental;
  if (endReason !== null && before.rental.endReason === null && next.detail === before.detail) {
    next.detail = WORDS_FOR_END[endReason] ?? next.detail;
  }
  if (row.rental.state === 'running' && before.rental.state !== 'running') next.detail = null;
  if (row.rental.state === 'ended' && before.rental.state !== 'ended') next.endedAtMs = nowMs;
  return next;
}

async function onNewState(parts: RentalParts, tx: Tx, row: RentalRow, nowMs: number): Promise<void> {
  const { rental, rentalId } = row;
  const detail = row.detail ?? rental.endReason ?? WORDS_FOR_STATE[rental.state];
  await addEvent(tx, rentalId, { atMs: nowMs, state: rental.state, detail });
  if (rental.state === 'running') await parts.publicLog.publish(tx, 'rental-started', factsForLog(parts, row));
  if (rental.state === 'ended') await parts.publicLog.publish(tx, 'rental-ended', factsForLog(parts, row));
}

/** The check is over, and the machine is asked. */
function wordsForCheck(row: RentalRow, step: RentalStep): string {
  if (step.checkDetail !== undefined && step.checkDetail !== null) return step.checkDetail;
  return row.rental.check?.verdict === 'pass'
    ? 'a validator has checked the machine; it is asked'
    : 'no validator has checked the machine in time; it is asked all the same';
}

const WORDS_FOR_STATE: Record<Rental['state'], string> = {
  reserved: 'reserved; the machine is asked',
  starting: 'granted; the pod is made',
  running: 'ready: seen by the machine and by the market',
  stopping: 'stopping',
  ended: 'ended',
};

/** What a renter reads when nobody has said more about an end that the renter did not ask for. */
const WORDS_FOR_END: Partial<Record<EndReason, string>> = {
  'agent-silent': 'the machine did not answer within 20 seconds; nothing was charged',
  'agent-refused': 'the machine refused',
  'start-timeout': 'the pod was not ready within 30 minutes; nothing was charged',
  'unreachable-too-long': 'the machine was not heard of for 24 hours',
  'pod-died': 'the pod’s first process ended',
  'provider-ended': 'the provider ended the lease',
};

function factsForLog(parts: RentalParts, row: RentalRow): Record<string, unknown> {
  return {
    rentalId: row.rentalId,
    renter: parts.publicLog.pseudonym(row.accountId),
    hotkey: row.hotkey,
    machineKey: row.machineKey,
    units: row.units,
    class: row.class,
    priceMicroUsdPerHour: row.priceMicroUsdPerHour.toString(),
    endReason: row.rental.endReason,
    billableMs: row.meter.billableMs,
  };
}

async function carryOutHere(
  parts: RentalParts,
  tx: Tx,
  change: {
    before: Rental;
    row: RentalRow;
    effects: readonly RentalEffect[];
    /** The lease request that waited for the check that is over now. */
    waiting: Signed<'lease-request'> | null;
  },
  nowMs: number,
): Promise<void> {
  const { before, row, effects, waiting } = change;
  const { rentalId, machineKey } = row;
  const wasWanted = before.state === 'reserved';
  if (wasWanted && row.rental.state !== 'reserved') await parts.outbox.finish(tx, rentalId, ['request-lease']);
  for (const effect of effects) {
    switch (effect.type) {
      case 'request-lease':
        if (waiting === null) throw new CeliumError('INTERNAL', undefined, { internal: 'no lease request waits' });
        await parts.outbox.write(tx, { rentalId, machineKey, type: 'request-lease', payload: waiting });
        break;
      case 'start-probing':
        tx.afterCommit(() => parts.probing.watch(row));
        break;
      case 'stop-lease':
        await parts.outbox.finish(tx, rentalId, ['set-ssh-keys', 'renew']);
        tx.afterCommit(() => parts.ports.crashHere('market.stop.committed'));
        await parts.outbox.write(tx, { rentalId, machineKey, type: 'stop-lease', payload: null });
        break;
      case 'settle':
        await settle(parts, tx, rentalId);
        break;
      case 'release-hold':
        await parts.billing.release(tx, rentalId);
        break;
      case 'release-units':
        await releaseUnits(tx, rentalId, nowMs);
        break;
    }
  }
}

async function settle(parts: RentalParts, tx: Tx, rentalId: string): Promise<void> {
  await parts.billing.settle(tx, rentalId);
  parts.ports.crashHere('market.settle.before-commit');
  tx.afterCommit(() => parts.ports.crashHere('market.settle.committed'));
}

function afterwards(parts: RentalParts, row: RentalRow, isNews: boolean): void {
  if (!isNews) return;
  const { state } = row.rental;
  if (state === 'starting') parts.ports.crashHere('market.grant.stored');
  if (state === 'running') parts.ports.crashHere('market.running.stored');
  if (state === 'ended') parts.ports.crashHere('market.end.committed');
  if (state === 'stopping' || state === 'ended') parts.probing.forget(row.rentalId);
  parts.signals.emit(row.rentalId);
}
