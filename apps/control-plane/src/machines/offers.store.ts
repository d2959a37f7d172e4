/** Offers in PostgreSQL. The terms of an offer never change: other terms close it and open another. */
import { INVENTORY_INTERVAL_MS, type Offer, type Receipt } from '@celium/contract';
import {
  MACHINE_RECEIPT_VALID_MS,
  RECEIPT_VALID_MS,
  concernsRenters,
  conflictOfUnits,
  linkByValidators,
  trustOf,
  weakestGpuClass,
  type HostAlarm,
  type PairedUnit,
  type UnitConflict,
  type UnitStanding,
  type WholeCheck,
} from '@celium/domain';
import { sql } from 'kysely';
import type { Queries, Tx } from '../database/market-database.ts';
import { standingsInConflict } from './unit-registry.store.ts';

export interface OfferTerms {
  machineKey: string;
  hotkey: string;
  machineId: string;
  units: string[];
  priceMicroUsdPerUnitHour: bigint;
  committedUntilMs: number;
  host: Offer['host'];
  payoutColdkey: string;
  simulated: boolean;
}

/** An offer with everything that decides about renting it, as of one moment. */
export interface OfferRow extends OfferTerms {
  offerId: string;
  publicHost: string;
  online: boolean;
  /** Units that no rental holds. */
  freeUnits: string[];
  verdict: 'pass' | 'fail' | null;
  class: string | null;
  verifiedAtMs: number | null;
  receiptId: string | null;
  measured: Record<string, number | string> | null;
  /** When each unit was verified last, as far as that was within the last day. */
  unitVerifiedAtMs: Readonly<Record<string, number>>;
  /** What is known of the machine's disk, deploys, ports, network and location. */
  machineCheck: Offer['machineCheck'];
  /** What the machine's newest inventory gives reason to look at. */
  hostAlarms: Offer['hostAlarms'];
  /** Whether its units are joined by fast links, as validators measured. */
  link: Offer['link'];
  /** What the registry of GPUs has against a unit of it. */
  unitConflict: UnitConflict | null;
}

/** Alarms of an inventory that is older than this say nothing any more, in milliseconds. */
const ALARMS_VALID_MS = 2 * INVENTORY_INTERVAL_MS;

/** Closes the open offer of a machine when its terms are others, and opens one with these. */
export async function saveOffer(
  tx: Tx,
  terms: OfferTerms,
  termsHash: string,
  offerId: string,
  nowMs: number,
): Promise<void> {
  const kept = await tx.db
    .selectFrom('offers')
    .select('offer_id')
    .where('machine_key', '=', terms.machineKey)
    .where('closed_at_ms', 'is', null)
    .where('terms_hash', '=', termsHash)
    .executeTakeFirst();
  if (kept !== undefined) return;
  await closeOffers(tx, [terms.machineKey], nowMs);
  await tx.db
    .insertInto('offers')
    .values({
      offer_id: offerId,
      machine_key: terms.machineKey,
      hotkey: terms.hotkey,
      machine_id: terms.machineId,
      terms_hash: termsHash,
      units: terms.units,
      price_micro_usd_per_unit_hour: terms.priceMicroUsdPerUnitHour,
      committed_until_ms: terms.committedUntilMs,
      host: JSON.stringify(terms.host),
      payout_coldkey: terms.payoutColdkey,
      simulated: terms.simulated,
      opened_at_ms: nowMs,
      closed_at_ms: null,
    })
    .execute();
}

/** Withdraws the open offers of machines; running rentals keep their terms. */
export async function closeOffers(tx: Tx, machineKeys: readonly string[], nowMs: number): Promise<void> {
  if (machineKeys.length === 0) return;
  await tx.db
    .updateTable('offers')
    .set({ closed_at_ms: nowMs })
    .where('machine_key', 'in', machineKeys)
    .where('closed_at_ms', 'is', null)
    .execute();
}

/** Open offers, or the one asked for; simulated ones only by their id. */
export async function readOffers(db: Queries, nowMs: number, offerId?: string): Promise<OfferRow[]> {
  const which = offerId === undefined ? sql`not o.simulated` : sql`o.offer_id = ${offerId}::uuid`;
  const { rows } = await sql<RawOffer>`
    select o.*, m.public_host, coalesce(s.alive_until_ms > ${nowMs}::bigint, false) as online,
      array(select r.unit_id from unit_reservations r where r.machine_key = o.machine_key and r.released_at_ms is null) as taken,
      (select json_agg(json_build_object('unit', v.unit_id, 'verdict', v.verdict, 'class', v.class,
          'verifiedAtMs', v.verified_at_ms, 'receiptId', v.receipt_id, 'measured', v.measured) order by v.verified_at_ms desc)
        from unit_verdicts v where v.machine_key = o.machine_key and v.unit_id = any(o.units)
          and v.verified_at_ms >= ${nowMs - RECEIPT_VALID_MS}::bigint) as verdicts,
      (select json_agg(json_build_object('part', p.part, 'verdict', p.verdict, 'testedAtMs', p.tested_at_ms,
          'receiptId', p.receipt_id, 'validator', p.validator, 'findings', p.findings) order by p.part)
        from machine_part_verdicts p where p.machine_key = o.machine_key
          and p.tested_at_ms >= ${nowMs - MACHINE_RECEIPT_VALID_MS}::bigint) as machine_parts,
      case when cardinality(o.units) > 1 then (
        select json_agg(json_build_object('validator', r.validator, 'endedAtMs', r.ended_at_ms, 'unit', r.unit_id, 'verdict', r.verdict,
          'class', r.document->'body'->'measured'->>'class', 'barrierId', w.barrier, 'pair', r.document->'body'->'pair'))
        from (select distinct on (n.validator) n.validator, n.document->'body'->>'barrierId' as barrier from receipts n
            where n.machine_key = o.machine_key and n.ended_at_ms >= ${nowMs - RECEIPT_VALID_MS}::bigint
              and n.document->'body'->'pair' is not null
            order by n.validator, n.ended_at_ms desc) w
        join receipts r on r.machine_key = o.machine_key and r.validator = w.validator
          and r.ended_at_ms >= ${nowMs - RECEIPT_VALID_MS}::bigint and r.document->'body'->>'barrierId' = w.barrier
      ) end as whole_checks,
      (select json_build_object('seenAtMs', h.received_at_ms, 'alarms', h.alarms) from host_alarms h
        where h.machine_key = o.machine_key and h.received_at_ms >= ${nowMs - ALARMS_VALID_MS}::bigint) as host_alarms
    from offers o join machines m using (machine_key) left join agent_sessions s using (machine_key)
    where o.closed_at_ms is null and m.revoked_at_ms is null and ${which}`.execute(db);
  const standings = await standingsInConflict(db, [...new Set(rows.flatMap(({ units }) => units))], nowMs);
  return rows.map((row) => fromRow(row, standings));
}

/** The offer with its machine locked: until this transaction ends nobody else reserves its units. */
export async function lockOffer(tx: Tx, offerId: string, nowMs: number): Promise<OfferRow | null> {
  await sql`select from machines where machine_key = (select machine_key from offers where offer_id = ${offerId}::uuid)
    for no key update`.execute(tx.db);
  return (await readOffers(tx.db, nowMs, offerId))[0] ?? null;
}

interface RawOffer {
  offer_id: string;
  machine_key: string;
  hotkey: string;
  machine_id: string;
  units: string[];
  price_micro_usd_per_unit_hour: bigint;
  committed_until_ms: bigint;
  host: Offer['host'];
  payout_coldkey: string;
  simulated: boolean;
  public_host: string;
  online: boolean;
  taken: string[];
  verdicts: UnitVerdict[] | null;
  machine_parts: PartVerdict[] | null;
  whole_checks: WholeCheckRow[] | null;
  host_alarms: { seenAtMs: number; alarms: HostAlarm[] } | null;
}

/** One unit's receipt in a validator's newest check with pairs. */
interface WholeCheckRow {
  validator: string;
  endedAtMs: number;
  unit: string;
  verdict: 'pass' | 'fail';
  class: string;
  barrierId: string;
  pair: Receipt['pair'] | null;
}

interface PartVerdict {
  part: string;
  verdict: 'pass' | 'fail';
  testedAtMs: number;
  receiptId: string;
  validator: string;
  findings: Record<string, unknown>;
}

interface UnitVerdict {
  unit: string;
  verdict: 'pass' | 'fail';
  class: string;
  verifiedAtMs: number;
  receiptId: string;
  measured: Record<string, number | string>;
}

function fromRow(row: RawOffer, standings: ReadonlyMap<string, UnitStanding>): OfferRow {
  const verdicts = row.verdicts ?? [];
  const failed = verdicts.find((verdict) => verdict.verdict === 'fail');
  const tested = new Set(verdicts.map((verdict) => verdict.unit));
  const complete = row.units.every((unit) => tested.has(unit));
  // A machine is sold by what all of its units bear.
  const weakest = weakestGpuClass(verdicts.map((verdict) => verdict.class));
  const shown = failed ?? verdicts.find((verdict) => verdict.class === weakest) ?? verdicts[0] ?? null;
  const machineCheck = machineCheckOf(row.machine_parts ?? []);
  return {
    offerId: row.offer_id,
    machineKey: row.machine_key,
    hotkey: row.hotkey,
    machineId: row.machine_id,
    units: row.units,
    priceMicroUsdPerUnitHour: row.price_micro_usd_per_unit_hour,
    committedUntilMs: Number(row.committed_until_ms),
    host: row.host,
    payoutColdkey: row.payout_coldkey,
    simulated: row.simulated,
    publicHost: row.public_host,
    online: row.online,
    freeUnits: row.units.filter((unit) => !row.taken.includes(unit)),
    verdict: failed !== undefined || machineCheck?.verdict === 'fail' ? 'fail' : complete ? 'pass' : null,
    class: shown?.class ?? null,
    verifiedAtMs: shown === null ? null : shown.verifiedAtMs,
    unitVerifiedAtMs: Object.fromEntries(verdicts.map(({ unit, verifiedAtMs }) => [unit, verifiedAtMs])),
    receiptId: shown?.receiptId ?? null,
    measured: shown?.measured ?? null,
    machineCheck,
    hostAlarms: hostAlarmsOf(row.host_alarms),
    link: linkByValidators(row.units, wholeChecksOf(row.whole_checks ?? [])),
    unitConflict: conflictOfUnits(row.units, { hotkey: row.hotkey, machineKey: row.machine_key }, standings),
  };
}

function wholeChecksOf(rows: readonly WholeCheckRow[]): WholeCheck[] {
  return Object.values(Object.groupBy(rows, ({ validator }) => validator)).map((own = []) => ({
    endedAtMs: Math.max(...own.map(({ endedAtMs }) => endedAtMs)),
    units: own.map(({ unit, verdict, class: gpuClass, barrierId, pair }) => ({
      unit,
      class: gpuClass,
      barrierId,
      passed: verdict === 'pass',
      pair: pairedWith(pair),
    })),
  }));
}

function pairedWith(pair: Receipt['pair'] | null): PairedUnit['pair'] {
  if (pair === null || pair === undefined) return null;
  return { peer: pair.peer, passed: pair.verdict === 'pass', bytesPerSecond: pair.bytesPerSecond };
}

function hostAlarmsOf(seen: RawOffer['host_alarms']): Offer['hostAlarms'] {
  if (seen === null) return null;
  const alarms = seen.alarms.map((alarm) => ({ ...alarm, concernsRenters: concernsRenters(alarm.code) }));
  return { seenAtMs: seen.seenAtMs, watched: trustOf('pass', seen.alarms) === 'watched', alarms };
}

/** Null when no part was tested lately; one failed part fails the machine. */
function machineCheckOf(parts: readonly PartVerdict[]): Offer['machineCheck'] {
  if (parts.length === 0) return null;
  const shown = parts.map(({ part, verdict, testedAtMs, receiptId, validator, findings }) => {
    const { code, message, verdict: _said, ...rest } = findings;
    const figures = Object.entries(rest).filter(
      (entry): entry is [string, number | string] => typeof entry[1] === 'number' || typeof entry[1] === 'string',
    );
    const words = { code: String(code), message: String(message) };
    return [
      part,
      { verdict, ...words, testedAtMs, receiptId, validator, figures: Object.fromEntries(figures) },
    ] as const;
  });
  const verdict = parts.some((part) => part.verdict === 'fail') ? 'fail' : 'pass';
  return { verdict, parts: Object.fromEntries(shown) };
}
