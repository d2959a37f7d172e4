/** `celium up`: rents an offer, the cheapest fitting one by default, and waits until the pod is ready. */

import { buildCommand } from '@stricli/core';
import { CeliumError, type MoveReason, type Offer, type Rental } from '@celium/contract';
import { rentBody, type Client } from '@celium/sdk';
import type { CliContext } from '../context.ts';
import { connectAsAccount } from '../market/connect.ts';
import { findOffer } from '../market/match-id.ts';
import { awaitRunning } from '../market/await-running.ts';
import { formatDuration, formatUsd, shortId } from '../output/format.ts';
import { writeResult } from '../output/result.ts';
import {
  clientFlags,
  describe,
  parseAssignment,
  parseCount,
  parseDollars,
  parsePort,
  yesFlag,
  type ClientFlags,
} from './flags.ts';

/** When the cheapest offer is taken by someone else at the same moment, this many next ones are tried. */
const MAX_OFFERS_TRIED = 3;

interface UpFlags extends ClientFlags {
  class?: string | undefined;
  image?: string | undefined;
  env?: ReadonlyArray<readonly [string, string]> | undefined;
  port?: readonly number[] | undefined;
  units?: number | undefined;
  maxPrice?: bigint | undefined;
  detach?: boolean | undefined;
  yes?: boolean | undefined;
}

export const upCommand = buildCommand<UpFlags, [string?], CliContext>({
  async func(flags, typed) {
    const client = connectAsAccount(this, flags.market);
    const offers = await fittingOffers(client, flags, typed);
    // Who names an offer wants that machine; anyone else may be moved to the next that fits, at no higher price.
    const moveOn = typed === undefined ? (['check-failed'] as const) : undefined;
    const rental = await rentFirst(this, client, { ...flags, moveOn }, offers);
    if (flags.detach !== true) {
      const running = await awaitRunning(this, client, rental);
      writeResult(this, flags.json, running, () => describeReady(running));
      return;
    }
    writeResult(this, flags.json, rental, () => `${shortId(rental.rentalId)} is ${rental.state}\n`);
  },
  parameters: {
    flags: {
      ...clientFlags,
      class: { kind: 'parsed', parse: String, placeholder: 'name', brief: 'Only this class', optional: true },
      image: { kind: 'parsed', parse: String, placeholder: 'name:tag', brief: 'Image of the pod', optional: true },
      env: {
        kind: 'parsed',
        parse: parseAssignment,
        placeholder: 'NAME=value',
        brief: 'A variable of the pod; repeat it for more',
        optional: true,
        variadic: true,
      },
      port: {
        kind: 'parsed',
        parse: parsePort,
        placeholder: 'port',
        brief: 'Publish this TCP port of the pod; repeat it for more',
        optional: true,
        variadic: true,
      },
      units: {
        kind: 'parsed',
        parse: parseCount,
        placeholder: 'count',
        brief: 'How many units; all by default',
        optional: true,
      },
      maxPrice: {
        kind: 'parsed',
        parse: parseDollars,
        placeholder: 'usd',
        brief: 'At most this many dollars per unit and hour',
        optional: true,
      },
      detach: { kind: 'boolean', brief: 'Do not wait until the pod is ready', optional: true, withNegated: false },
      yes: yesFlag,
    },
    aliases: { e: 'env', p: 'port', d: 'detach', y: 'yes' },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          parse: String,
          placeholder: 'offer',
          brief: 'Offer, by id or its beginning; the cheapest by default',
          optional: true,
        },
      ],
    },
  },
  docs: {
    brief: 'Rent a pod; the cheapest fitting offer by default',
    fullDescription: describe(
      'Shows the price and asks, rents, and waits until you can log in. Starting costs nothing: the first billed second is the first in which the pod answers.',
      [
        ['celium up', 'the cheapest offer there is'],
        ['celium up 3f2a --image celium/base:bookworm', 'this offer, this image'],
        ['celium up --class CPU --max-price 0.10 --yes', 'no question, up to a price'],
        ['celium up -e TOKEN=abc -p 8080', 'with a variable and a published port'],
      ],
    ),
  },
});

/** The offers to try, in order: the one that was named, or the cheapest ones that fit. */
async function fittingOffers(client: Client, flags: UpFlags, typed: string | undefined): Promise<Offer[]> {
  if (typed !== undefined) return [await findOffer(client, typed)];
  const query = {
    ...(flags.class === undefined ? {} : { class: flags.class }),
    ...(flags.maxPrice === undefined ? {} : { maxPriceMicroUsdPerUnitHour: String(flags.maxPrice) }),
  };
  const { offers } = await client.call('listOffers', { query });
  const fitting = offers.filter((offer) => offer.freeUnits >= (flags.units ?? offer.units.length));
  if (fitting.length === 0) {
    throw new CeliumError('OFFER_UNKNOWN', 'No offer that fits can be rented now.', {
      details: { remedy: '`celium ls -a` shows what there is; loosen --class, --units or --max-price.' },
    });
  }
  return fitting.slice(0, MAX_OFFERS_TRIED);
}

async function rentFirst(
  context: CliContext,
  client: Client,
  flags: UpFlags & { moveOn: readonly MoveReason[] | undefined },
  offers: readonly Offer[],
): Promise<Rental> {
  const [first] = offers as [Offer, ...Offer[]];
  if (flags.yes !== true && context.isInteractive && !(await context.ask.confirm(questionOf(first, flags)))) {
    throw new CeliumError('USAGE', 'Nothing was rented.');
  }
  for (const [index, offer] of offers.entries()) {
    const mayTryNext =
      index + 1 < offers.length && offers[index + 1]?.priceMicroUsdPerUnitHour === first.priceMicroUsdPerUnitHour;
    try {
      return await client.call('createRental', {
        body: rentBody(offer, { ...flags, unitCount: flags.units, ports: flags.port }),
      });
    } catch (fault) {
      if (!(fault instanceof CeliumError) || fault.code !== 'OFFER_TAKEN' || !mayTryNext) throw fault;
    }
  }
  throw new CeliumError('OFFER_TAKEN');
}

function questionOf(offer: Offer, flags: UpFlags): string {
  const units = flags.units ?? offer.units.length;
  const price = formatUsd(BigInt(offer.priceMicroUsdPerUnitHour) * BigInt(units));
  const what = `${units === 1 ? '' : `${units} x `}${offer.class ?? 'unverified'}`;
  return `Rent ${what} on ${offer.machineId} for ${price} an hour, billed by the second? ${offer.notice}`.trim();
}

function describeReady(rental: Rental): string {
  const id = shortId(rental.rentalId);
  const took = rental.readyAtMs === null ? '' : ` after ${formatDuration(rental.readyAtMs - rental.createdAtMs)}`;
  const unchecked =
    rental.check?.verdict === 'none'
      ? '  no validator could check the machine right before: `celium verify` does\n'
      : '';
  const ports = rental.ports
    .filter((pair) => pair.pod !== 22)
    .map((pair) => `  port ${pair.pod} is at ${rental.ssh?.host}:${pair.host}\n`);
  return `${id} is ready${took}: ${formatUsd(rental.priceMicroUsdPerHour)} an hour\n${unchecked}${ports.join('')}  celium ssh ${id}    log in\n  celium rm ${id}     stop it\n`;
}
