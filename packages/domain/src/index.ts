/** The rules of Celium: pure types and functions that import nothing. */
export * from './ids.ts';
export * from './ledger/accounts.ts';
export * from './lease/authority.ts';
export * from './lease/lease.ts';
export * from './machine/address.ts';
export * from './offer/offer.ts';
export * from './offer/verdict.ts';
export * from './pod/pod-spec.ts';
export * from './pod/ssh-key.ts';
export * from './pricing/charge.ts';
export * from './pricing/funding.ts';
export * from './rental/meter.ts';
export * from './rental/rental.ts';
export * from './scoring/score.ts';
export * from './verification/decoy.ts';
export * from './verification/human-timing.ts';
