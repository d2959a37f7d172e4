/** The names of ledger accounts and the postings between them: double entry in micro-dollars (reference economics, A7). */

/** Money never appears from nowhere: each posting's entries sum to zero. */
export interface LedgerEntry {
  account: string;
  /** Positive: credited; negative: debited. */
  amountMicroUsd: bigint;
}

export const LEDGER_ACCOUNTS = {
  /** Counterpart of credit that an operator grants. */
  promo: 'promo',
  /** What the market has earned in loop fees. */
  platformFee: 'platform:fee',
  /** What the market owes for its own absences. */
  platformAbsence: 'platform:absence',
  available: (accountId: string): string => `renter:available:${accountId}`,
  held: (rentalId: string): string => `renter:held:${rentalId}`,
  providerPending: (coldkey: string): string => `provider:pending:${coldkey}`,
} as const;

/** An operator's grant of credit to a renter. */
export function grantPosting(accountId: string, amountMicroUsd: bigint): LedgerEntry[] {
  return move(LEDGER_ACCOUNTS.promo, LEDGER_ACCOUNTS.available(accountId), amountMicroUsd);
}

/** Money set aside for a rental, or (negative) given back. */
export function holdPosting(accountId: string, rentalId: string, amountMicroUsd: bigint): LedgerEntry[] {
  return move(LEDGER_ACCOUNTS.available(accountId), LEDGER_ACCOUNTS.held(rentalId), amountMicroUsd);
}

/** One settlement: out of the hold, to the provider and to the fee. */
export function settlementPosting(
  rentalId: string,
  coldkey: string,
  providerMicroUsd: bigint,
  feeMicroUsd: bigint,
): LedgerEntry[] {
  return [
    { account: LEDGER_ACCOUNTS.held(rentalId), amountMicroUsd: -(providerMicroUsd + feeMicroUsd) },
    { account: LEDGER_ACCOUNTS.providerPending(coldkey), amountMicroUsd: providerMicroUsd },
    { account: LEDGER_ACCOUNTS.platformFee, amountMicroUsd: feeMicroUsd },
  ];
}

/** What a market pays a provider for time that only the market's own absence left unwitnessed. */
export function absencePosting(coldkey: string, amountMicroUsd: bigint): LedgerEntry[] {
  return move(LEDGER_ACCOUNTS.platformAbsence, LEDGER_ACCOUNTS.providerPending(coldkey), amountMicroUsd);
}

/** The sum of a posting's entries: zero, always. */
export function sumOfEntries(entries: readonly LedgerEntry[]): bigint {
  return entries.reduce((sum, entry) => sum + entry.amountMicroUsd, 0n);
}

function move(from: string, to: string, amountMicroUsd: bigint): LedgerEntry[] {
  return [
    { account: from, amountMicroUsd: -amountMicroUsd },
    { account: to, amountMicroUsd },
  ];
}
