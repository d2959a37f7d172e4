/** Ids as people type them: the whole id or any beginning of it that fits exactly one thing. */

import { CeliumError, type ErrorCode, type Offer, type Rental } from '@celium/contract';
import type { Client } from '@celium/sdk';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The one item whose id begins with `typed`. Throws `missing` when there is none, `BAD_REQUEST` when there are several. */
export function matchId<T>(
  items: readonly T[],
  typed: string,
  idOf: (item: T) => string,
  missing: { code: ErrorCode; what: string },
): T {
  const wanted = typed.toLowerCase();
  const exact = items.find((item) => idOf(item) === wanted);
  if (exact !== undefined) return exact;
  const found = wanted === '' ? [] : items.filter((item) => idOf(item).startsWith(wanted));
  if (found.length === 1) return found[0] as T;
  if (found.length === 0)
    throw new CeliumError(missing.code, `No ${missing.what} begins with ${JSON.stringify(typed)}.`);
  const list = found
    .slice(0, 5)
    .map((item) => idOf(item))
    .join(', ');
  throw new CeliumError(
    'BAD_REQUEST',
    `${JSON.stringify(typed)} fits ${found.length} of them (${list}): give more characters.`,
  );
}

/** A rental by its id or the beginning of it. */
export async function findRental(client: Client, typed: string): Promise<Rental> {
  if (UUID.test(typed)) return await client.call('getRental', { params: { rentalId: typed } });
  const { rentals } = await client.call('listRentals', { query: { all: 'true', limit: 500 } });
  return matchId(rentals, typed, (rental) => rental.rentalId, { code: 'NOT_FOUND', what: 'pod of yours' });
}

/** An offer by its id or the beginning of it, whether it can be rented now or not. */
export async function findOffer(client: Client, typed: string): Promise<Offer> {
  if (UUID.test(typed)) return await client.call('getOffer', { params: { offerId: typed } });
  const { offers } = await client.call('listOffers', { query: { rentable: 'false', limit: 1_000 } });
  return matchId(offers, typed, (offer) => offer.offerId, { code: 'OFFER_UNKNOWN', what: 'offer' });
}
