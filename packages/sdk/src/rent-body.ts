/** The body of a rent as `celium up OFFER` sends it. Everyone who rents builds it here, so that nobody’s rent looks different. */

import type { MoveReason, Offer } from '@celium/contract';
import type { CallInput } from './call-types.ts';

/** What a renter may wish for; all of it may be left out. */
export interface RentWishes {
  /** Units of the offer; all by default. */
  unitCount?: number | undefined;
  /** The market's base image by default. */
  image?: string | undefined;
  env?: ReadonlyArray<readonly [name: string, value: string]> | undefined;
  /** TCP ports of the pod to publish besides SSH. */
  ports?: readonly number[] | undefined;
  /** Reasons for which the market may move the rental to the next fitting offer; whoever allows one follows `movedTo`. */
  moveOn?: readonly MoveReason[] | undefined;
}

/** The body of `createRental` for an offer as it was shown: a price that rose meanwhile is refused. */
export function rentBody(
  offer: Pick<Offer, 'offerId' | 'priceMicroUsdPerUnitHour'>,
  wishes: RentWishes,
): CallInput<'createRental'>['body'] {
  return {
    offerId: offer.offerId,
    ...(wishes.unitCount === undefined ? {} : { unitCount: wishes.unitCount }),
    pod: {
      ...(wishes.image === undefined ? {} : { image: wishes.image }),
      env: Object.fromEntries(wishes.env ?? []),
      ports: [...(wishes.ports ?? [])],
      volumeBytes: 0,
    },
    maxPriceMicroUsdPerUnitHour: offer.priceMicroUsdPerUnitHour,
    ...(wishes.moveOn === undefined ? {} : { moveOn: [...wishes.moveOn] }),
  };
}
