/** Routes of money: balance, ledger, the operator's credit and audit. */
import { CeliumError } from '@celium/contract';
import type { MarketDatabase, Queries } from '../database/market-database.ts';
import { accountOf, type Handlers } from '../http/handlers.ts';
import { grantCredit, type BillingParts } from './billing.flow.ts';
import { audit, listLines, readFunds } from './ledger.store.ts';

/** The largest credit in one grant: a million dollars. */
const MAX_GRANT_MICRO_USD = 1_000_000_000_000n;

/** @param findAccountId the account of an e-mail address, or null */
export function billingRoutes(
  database: MarketDatabase,
  parts: BillingParts,
  findAccountId: (db: Queries, email: string) => Promise<string | null>,
): Pick<Handlers, 'getBalance' | 'listLedger' | 'grantCredit' | 'auditLedger'> {
  return {
    getBalance: async (call) => {
      const funds = await readFunds(database.db, accountOf(call));
      return { availableMicroUsd: String(funds.availableMicroUsd), heldMicroUsd: String(funds.heldMicroUsd) };
    },
    listLedger: async (call) => {
      const lines = await listLines(database.db, accountOf(call), call.query);
      return { lines: lines.map((line) => ({ ...line, amountMicroUsd: String(line.amountMicroUsd) })) };
    },
    grantCredit: async (call) => {
      const amountMicroUsd = BigInt(call.body.amountMicroUsd);
      if (amountMicroUsd === 0n || amountMicroUsd > MAX_GRANT_MICRO_USD) {
        throw new CeliumError('BAD_REQUEST', `amountMicroUsd: 1 to ${MAX_GRANT_MICRO_USD}`);
      }
      return call.once(async (tx) => {
        const accountId = await findAccountId(tx.db, call.body.email.toLowerCase());
        if (accountId === null) throw new CeliumError('NOT_FOUND', 'no account has this e-mail address');
        const granted = await grantCredit(parts, tx, accountId, amountMicroUsd, call.body.note);
        return { transferId: granted.transferId, availableMicroUsd: String(granted.availableMicroUsd) };
      });
    },
    auditLedger: async () => {
      const found = await audit(database.db);
      const accounts = found.accounts.map(({ account, balance }) => ({ account, balanceMicroUsd: String(balance) }));
      return { ledgerSumMicroUsd: String(found.sumMicroUsd), accounts, violations: found.violations };
    },
  };
}
