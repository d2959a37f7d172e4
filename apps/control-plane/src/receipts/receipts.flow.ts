/** Taking in receipts: signed by the validator that calls, about a unit of a machine that is listed here. */
import { CeliumError, type Receipt } from '@celium/contract';
import { documentHash, verifyDocument } from '@celium/chain';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import type { Clock } from '../ports.ts';
import { findMachine, insertReceipt, refreshVerdict } from './receipts.store.ts';

/** How far ahead of our clock a receipt may have ended, in milliseconds. */
const MAX_AHEAD_MS = 60_000;

export interface ReceiptParts {
  database: MarketDatabase;
  clock: Clock;
  publish(tx: Tx, kind: string, body: unknown): Promise<void>;
}

/** Stores a receipt as it came; the same one again changes nothing. Throws what is wrong with it. */
export async function acceptReceipt(parts: ReceiptParts, received: unknown, validator: string): Promise<void> {
  const verified = verifyDocument('receipt', received);
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  const { body, signed, ss58 } = verified;
  if (ss58 !== validator || body.validator !== validator) {
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `a receipt is published by the validator that signed it, not by ${validator}`,
    );
  }
  const nowMs = parts.clock.now();
  await parts.database.transaction(async (tx) => {
    const fault = faultOfReceipt(body, await findMachine(tx.db, body.machineKey), nowMs);
    if (fault !== null) throw fault;
    if (!(await insertReceipt(tx, signed, nowMs))) return;
    await refreshVerdict(tx, body.machineKey, body.unit, nowMs);
    await parts.publish(tx, 'receipt', {
      receiptId: body.receiptId,
      receiptHash: documentHash(signed),
      receipt: signed,
    });
  });
}

function faultOfReceipt(
  receipt: Receipt,
  machine: { hotkey: string; machineId: string; units: string[]; simulated: boolean } | null,
  nowMs: number,
): CeliumError | null {
  if (machine === null) return new CeliumError('NOT_FOUND', 'no machine of this key is listed here');
  if (receipt.simulated === true || machine.simulated)
    return new CeliumError('OFFER_SIMULATED', 'receipts of simulated devices count nowhere');
  if (receipt.hotkey !== machine.hotkey || receipt.machineId !== machine.machineId) {
    return new CeliumError(
      'BAD_REQUEST',
      'the receipt names another hotkey or machine than the manifest of this machine key',
    );
  }
  if (!machine.units.includes(receipt.unit))
    return new CeliumError('UNITS_UNKNOWN', `the machine has no unit ${receipt.unit}`);
  if (receipt.endedAtMs > nowMs + MAX_AHEAD_MS || receipt.startedAtMs > receipt.endedAtMs) {
    return new CeliumError('BAD_REQUEST', 'the times of the receipt cannot be right');
  }
  return null;
}
