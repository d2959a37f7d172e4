/** Rows of weights as the chain stores them, and the check that it did store ours. */
import { createHash } from 'node:crypto';
import { CeliumError } from '@celium/contract';
import type { SubnetChain, WeightsReceipt, WeightsRow } from './subnet-chain.ts';

/** The largest weight, and what the chain scales the largest of a row up to. */
export const MAX_WEIGHT = 65_535;

/** The row as the chain stores it: scaled so that the largest weight is 65,535, rounded down; sorted by uid here. */
export function upscaleWeightsRow(row: WeightsRow): Array<[uid: number, weight: number]> {
  const largest = row.reduce((most, [, weight]) => Math.max(most, weight), 0);
  const scale = (weight: number): number => (largest === 0 ? 0 : Math.floor((weight * MAX_WEIGHT) / largest));
  return row.map(([uid, weight]): [number, number] => [uid, scale(weight)]).toSorted((a, b) => a[0] - b[0]);
}

/** SHA-256 (hex) of a row in its stored form: equal digests, equal weights. */
export function weightsRowDigest(row: WeightsRow): string {
  return createHash('sha256')
    .update(JSON.stringify(upscaleWeightsRow(row)))
    .digest('hex');
}

/** Throws `BAD_REQUEST` for a row that no chain could take: uids and weights are u16. */
export function checkWeightsRow(row: WeightsRow): void {
  const isU16 = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_WEIGHT;
  const bad = row.find(([uid, weight]) => !isU16(uid) || !isU16(weight));
  if (bad) throw new CeliumError('BAD_REQUEST', `[${bad.join(', ')}] is no weight: uid and weight are 0 to 65535`);
}

/**
 * Reads the stored row back and compares it with what the receipt promised. `pending` means that a committed row may
 * still be revealed: its reveal epoch is not over. A `mismatch` is an alarm: the chain drops bad reveals without an event.
 */
export async function confirmWeights(
  chain: SubnetChain,
  receipt: Extract<WeightsReceipt, { ok: true }>,
): Promise<'confirmed' | 'pending' | 'mismatch'> {
  const stored = await chain.weights(receipt.uid);
  if (weightsRowDigest(stored) === receipt.rowDigest) return 'confirmed';
  if (receipt.revealEpoch === undefined) return 'mismatch';
  return (await chain.schedule()).epochIndex <= receipt.revealEpoch ? 'pending' : 'mismatch';
}
