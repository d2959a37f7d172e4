/** `celium ls` and `celium offer`: what there is to rent, and all that is known of one machine. */

import { buildCommand } from '@stricli/core';
import type { Offer } from '@celium/contract';
import type { CliContext } from '../context.ts';
import { connectAsStranger } from '../market/connect.ts';
import { findOffer } from '../market/match-id.ts';
import { formatAge, formatBytes, formatUsd, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import { describeHostAlarms, describeMachineCheck } from '../output/machine-view.ts';
import { formatFields, formatTable } from '../output/table.ts';
import { clientFlags, describe, parseDollars, type ClientFlags } from './flags.ts';

interface Flags extends ClientFlags {
  all?: boolean | undefined;
  class?: string | undefined;
  maxPrice?: bigint | undefined;
}

export const lsCommand = buildCommand<Flags, [], CliContext>({
  async func(flags) {
    const client = connectAsStranger(this, flags.market);
    const query = {
      rentable: flags.all === true ? 'false' : 'true',
      ...(flags.class === undefined ? {} : { class: flags.class }),
      ...(flags.maxPrice === undefined ? {} : { maxPriceMicroUsdPerUnitHour: String(flags.maxPrice) }),
    } as const;
    const { offers } = await client.call('listOffers', { query });
    writeResult(this, flags.json, offers, () => describeOffers(offers, this.nowMs(), flags.all === true));
  },
  parameters: {
    flags: {
      ...clientFlags,
      all: { kind: 'boolean', brief: 'Also what cannot be rented now', optional: true, withNegated: false },
      class: {
        kind: 'parsed',
        parse: String,
        placeholder: 'name',
        brief: 'Only this class, as measured',
        optional: true,
      },
      maxPrice: {
        kind: 'parsed',
        parse: parseDollars,
        placeholder: 'usd',
        brief: 'At most this many dollars per unit and hour',
        optional: true,
      },
    },
    aliases: { a: 'all' },
  },
  docs: {
    brief: 'List offers, cheapest first',
    fullDescription: describe(
      'Lists what can be rented now: verified by a validator, online and free. The class is what was measured, not what the machine says of itself.',
      [
        ['celium ls', 'everything that can be rented now'],
        ['celium ls --class CPU --max-price 0.50', 'one class, up to a price'],
        ['celium ls -a --json', 'everything that the market knows, for a program'],
      ],
    ),
  },
});

function describeOffers(offers: readonly Offer[], nowMs: number, all: boolean): string {
  if (offers.length === 0) {
    const more = all
      ? 'No machine has joined this market yet.'
      : '`celium ls -a` also shows what is taken, offline or not verified.';
    return `Nothing can be rented now. ${more}\n`;
  }
  const rows = offers.map((offer) => [
    shortId(offer.offerId),
    offer.class ?? '-',
    `${offer.freeUnits}/${offer.units.length}`,
    `${formatUsd(offer.priceMicroUsdPerUnitHour)}/h`,
    String(offer.host.cpuCores),
    formatBytes(offer.host.memoryBytes),
    offer.host.location ?? '-',
    offer.verdict === 'fail' ? 'failed' : formatAge(offer.verifiedAtMs, nowMs),
    offer.online ? 'yes' : 'no',
    offer.machineId,
  ]);
  return formatTable(
    [
      { title: 'OFFER' },
      { title: 'CLASS' },
      { title: 'FREE', align: 'right' },
      { title: 'PRICE', align: 'right' },
      { title: 'CORES', align: 'right' },
      { title: 'MEMORY', align: 'right' },
      { title: 'LOCATION' },
      { title: 'VERIFIED' },
      { title: 'ONLINE' },
      { title: 'MACHINE' },
    ],
    rows,
  );
}

export const offerCommand = buildCommand<ClientFlags, [string], CliContext>({
  async func(flags, typed) {
    const offer = await findOffer(connectAsStranger(this, flags.market), typed);
    writeResult(this, flags.json, offer, () => describeOffer(offer, this.nowMs()));
  },
  parameters: {
    flags: clientFlags,
    positional: {
      kind: 'tuple',
      parameters: [{ parse: String, placeholder: 'offer', brief: 'Id of an offer, or the beginning of it' }],
    },
  },
  docs: {
    brief: 'Show all that is known of an offer’s machine',
    fullDescription: describe(
      'Shows what was measured of the units, what validators found of disk, deploys, ports, network and location, each with its date and the reason of a failure, and alarms that the host raises about itself.',
      [
        ['celium offer 3f2a9c1e', 'by the id that `celium ls` shows'],
        ['celium offer 3f2a9c1e --json', 'with every figure of the receipts'],
      ],
    ),
  },
});

function describeOffer(offer: Offer, nowMs: number): string {
  const { host } = offer;
  const verified = `${offer.verdict === 'fail' ? 'failed' : 'passed'} ${formatAge(offer.verifiedAtMs, nowMs)}`;
  const fields = formatFields([
    ['offer', offer.offerId],
    ['machine', `${offer.machineId} of ${offer.hotkey}`],
    ['class', offer.class ?? 'not measured yet'],
    ['units', `${offer.units.join(', ')} (${offer.freeUnits} free)`],
    ...(offer.units.length < 2 ? [] : [['linked', linkedOf(offer.link, nowMs)] as const]),
    ['price', `${formatUsd(offer.priceMicroUsdPerUnitHour)} per unit and hour`],
    ['host', `${host.cpuCores} cores, ${formatBytes(host.memoryBytes)} memory, ${formatBytes(host.diskBytes)} disk`],
    ['location', placeOf(offer)],
    ['online', offer.online ? 'yes' : 'no'],
    ['verdict', offer.verdict === null ? 'not verified yet' : verified],
    ...(offer.unitConflict === null ? [] : [['conflict', offer.unitConflict.message] as const]),
    ['notice', offer.notice],
  ]);
  const alarms = describeHostAlarms(offer.hostAlarms, nowMs, (alarm) => alarm.concernsRenters);
  return `${fields}\n${describeMachineCheck(offer.machineCheck, nowMs)}\n${alarms}`;
}

/** Whether fast links join the units, in words. */
function linkedOf(link: Offer['link'], nowMs: number): string {
  if (link === null) return 'not measured';
  const { linked, bytesPerSecond, measuredAtMs } = link;
  const rate =
    bytesPerSecond === null ? 'not every pair answered' : `slowest pair ${Math.floor(bytesPerSecond / 1e9)} GB/s`;
  return `${linked ? 'yes' : 'no'}, ${rate}, measured ${formatAge(measuredAtMs, nowMs)}`;
}

/** What the machine says of its place; the row `location` of its checks says what was found of it. */
function placeOf({ host }: Offer): string {
  const { latitude, longitude } = (host['coordinates'] ?? {}) as { latitude?: unknown; longitude?: unknown };
  const degrees = typeof latitude === 'number' && typeof longitude === 'number' ? ` (${latitude}, ${longitude})` : '';
  return `${host.location ?? '-'}${degrees}`;
}
