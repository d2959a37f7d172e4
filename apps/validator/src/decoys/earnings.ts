/** What machines earn, read from a market's public log: whoever earns more is visited more often. */

import type { DatabaseSync } from 'node:sqlite';
import { totalChargeMicroUsd } from '@celium/domain';
import type { Client } from '@celium/sdk';
import { z } from 'zod';
import type { DecoyBook } from './decoy-book.ts';

/** Entries read in one turn. */
const BATCH = 500;

/** A `rental-ended` entry, as far as it is needed. */
const rentalEnded = z.looseObject({
  rentalId: z.uuid(),
  machineKey: z.string().regex(/^[0-9a-f]{64}$/),
  priceMicroUsdPerHour: z.string().regex(/^[0-9]{1,15}$/),
  billableMs: z.number().int().min(0),
});

/** Reads on where the last turn ended. What a market's log says of earnings is a hint: it only moves decoys between machines. */
export async function readEarnings(ports: { database: DatabaseSync; book: DecoyBook }, client: Client): Promise<void> {
  const { database, book } = ports;
  const name = `decoys: log of ${client.baseUrl}`;
  const row = database.prepare('SELECT value FROM facts WHERE name = ?').get(name) as { value: string } | undefined;
  const from = row === undefined ? 1 : Number(row.value);
  const { entries } = await client.call('readLog', { query: { from, limit: BATCH } });
  for (const entry of entries) {
    if (entry.kind !== 'rental-ended') continue;
    const ended = rentalEnded.safeParse(entry.body);
    if (!ended.success) continue;
    const { machineKey, rentalId, billableMs, priceMicroUsdPerHour } = ended.data;
    book.noteEarned(machineKey, rentalId, totalChargeMicroUsd(BigInt(billableMs), BigInt(priceMicroUsdPerHour)));
  }
  database
    .prepare('INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)')
    .run(name, String(Math.max(from, (entries.at(-1)?.seq ?? 0) + 1)));
}
