/** Routes of receipts: publish as a validator, read as anyone. */
import { CeliumError } from '@celium/contract';
import type { Handlers } from '../http/handlers.ts';
import { acceptReceipt, type ReceiptParts } from './receipts.flow.ts';
import { listReceipts } from './receipts.store.ts';

export function receiptRoutes(parts: ReceiptParts): Pick<Handlers, 'publishReceipt' | 'listReceipts'> {
  return {
    publishReceipt: async ({ caller, receivedBody }) => {
      if (caller.kind !== 'validator') throw new CeliumError('FORBIDDEN');
      // As it came: the signature covers fields that the schema may not know.
      await acceptReceipt(parts, (receivedBody as { receipt: unknown }).receipt, caller.hotkey);
      return { accepted: true as const };
    },
    listReceipts: async ({ params, query }) => ({
      receipts: await listReceipts(parts.database.db, params.machineKey, query.limit),
    }),
  };
}
