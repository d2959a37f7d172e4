/** Inventories that agents send: signed by their machine key, turned into alarms, and not kept. They grant nothing and refuse nothing. */
import { verifyDocument } from '@celium/chain';
import { CeliumError } from '@celium/contract';
import { alarmsOfHost } from '@celium/domain';
import type { MarketDatabase } from '../database/market-database.ts';
import type { Clock } from '../ports.ts';
import { findExpectedHost, saveHostAlarms } from './host-alarms.store.ts';

/** Takes an inventory in as it came. Throws what is wrong with its signature or its machine. */
export async function acceptInventory(
  parts: { database: MarketDatabase; ports: { clock: Clock } },
  session: { machineKey: string; machineId: string },
  received: unknown,
): Promise<void> {
  const verified = verifyDocument('inventory', received, { signer: session.machineKey });
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  if (verified.body.machineId !== session.machineId)
    throw new CeliumError('BAD_REQUEST', 'the inventory is that of another machine');
  const { machineKey } = session;
  const { db } = parts.database;
  const receivedAtMs = parts.ports.clock.now();
  const expected = await findExpectedHost(db, machineKey, receivedAtMs);
  if (expected === null) return;
  const alarms = alarmsOfHost(verified.body, expected, receivedAtMs);
  await saveHostAlarms(db, machineKey, { takenAtMs: verified.body.takenAtMs, receivedAtMs, alarms });
}
