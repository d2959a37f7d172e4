/** Routes of machine receipts: publish as a validator, read as anyone. */
import { CeliumError } from '@celium/contract';
import type { Handlers } from '../http/handlers.ts';
import { acceptMachineReceipt, type MachineReceiptParts } from './machine-receipts.flow.ts';
import { listMachineReceipts } from './machine-receipts.store.ts';

export function machineReceiptRoutes(
  parts: MachineReceiptParts,
): Pick<Handlers, 'publishMachineReceipt' | 'listMachineReceipts'> {
  return {
    publishMachineReceipt: async ({ caller, receivedBody }) => {
      if (caller.kind !== 'validator') throw new CeliumError('FORBIDDEN');
      // As it came: the signature covers fields that the schema may not know.
      await acceptMachineReceipt(parts, (receivedBody as { receipt: unknown }).receipt, caller.hotkey);
      return { accepted: true as const };
    },
    listMachineReceipts: async ({ params, query }) => ({
      receipts: await listMachineReceipts(parts.database.db, params.machineKey, query.limit),
    }),
  };
}
