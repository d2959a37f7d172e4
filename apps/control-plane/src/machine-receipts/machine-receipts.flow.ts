/** Taking in machine receipts: signed by the validator that calls, about a machine that is listed here. */
import { documentHash, verifyDocument } from '@celium/chain';
import { CeliumError, type MachineReceipt } from '@celium/contract';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import type { Clock } from '../ports.ts';
import { findListed, insertMachineReceipt, refreshStanding } from './machine-receipts.store.ts';

/** How far ahead of our clock a machine receipt may have ended, in milliseconds. */
const MAX_AHEAD_MS = 60_000;

export interface MachineReceiptParts {
  database: MarketDatabase;
  clock: Clock;
  publish(tx: Tx, kind: string, body: unknown): Promise<void>;
}

/** Stores a machine receipt as it came; the same one again changes nothing. Throws what is wrong with it. */
export async function acceptMachineReceipt(
  parts: MachineReceiptParts,
  received: unknown,
  validator: string,
): Promise<void> {
  const verified = verifyDocument('machine-receipt', received);
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  const { body, signed, ss58 } = verified;
  if (ss58 !== validator || body.validator !== validator)
    throw new CeliumError(
      'KEY_NOT_DELEGATED',
      `a machine receipt is published by the validator that signed it, not by ${validator}`,
    );
  const nowMs = parts.clock.now();
  await parts.database.transaction(async (tx) => {
    const fault = faultOf(body, await findListed(tx.db, body.machineKey), nowMs);
    if (fault !== null) throw fault;
    if (!(await insertMachineReceipt(tx, signed, nowMs))) return;
    await refreshStanding(tx, body.machineKey, nowMs);
    const { receiptId } = body;
    await parts.publish(tx, 'machine-receipt', { receiptId, receiptHash: documentHash(signed), receipt: signed });
  });
}

function faultOf(
  receipt: MachineReceipt,
  machine: { hotkey: string; machineId: string; simulated: boolean } | null,
  nowMs: number,
): CeliumError | null {
  if (machine === null) return new CeliumError('NOT_FOUND', 'no machine of this key is listed here');
  if (receipt.simulated === true || machine.simulated)
    return new CeliumError('OFFER_SIMULATED', 'receipts of simulated devices count nowhere');
  if (receipt.hotkey !== machine.hotkey || receipt.machineId !== machine.machineId)
    return new CeliumError('BAD_REQUEST', 'the receipt names another hotkey or machine than the manifest of this key');
  if (receipt.endedAtMs > nowMs + MAX_AHEAD_MS || receipt.startedAtMs > receipt.endedAtMs)
    return new CeliumError('BAD_REQUEST', 'the times of the receipt cannot be right');
  return null;
}
