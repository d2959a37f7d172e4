/** What goes out to an agent about a lease: the request, and later commands, each with the next sequence number and signed. */
import type { LeaseCommand, Signed } from '@celium/contract';
import { signDocument } from '@celium/chain';
import { MIN_TERM_MS } from '@celium/domain';
import type { AgentLinks } from '../machines/sessions.ts';
import type { Effect } from '../outbox/outbox.worker.ts';
import type { MarketDatabase, Tx } from '../database/market-database.ts';
import type { MarketPorts } from '../ports.ts';
import type { RentalParts, RentalRow } from './parts.ts';
import { listWithSshKey, lockRental, saveRental, takeDueRenewals, takeSequence } from './rentals.store.ts';

/** The sequence number of a stop for a lease that this market has no record of: above whatever was used before. */
const LAST_SEQUENCE = 2_000_000_000;
/** How long before the end of a term it is renewed, in milliseconds: three quarters of the shortest term. */
const RENEW_AFTER_MS = MIN_TERM_MS / 4;

export interface CommandParts {
  database: MarketDatabase;
  ports: MarketPorts;
  links: AgentLinks;
}

/** Sends one effect of the outbox to its agent. Without a connection nothing happens; it is tried again. */
export async function carryOutEffect(
  parts: CommandParts,
  effect: Effect,
  noteSequence: (sequence: number) => Promise<void>,
): Promise<void> {
  const { database, links } = parts;
  if (effect.type === 'request-lease') {
    links.send(effect.machineKey, { type: 'lease-request', request: effect.payload as Signed<'lease-request'> });
    return;
  }
  if (!links.isConnected(effect.machineKey)) return;
  const row = await takeSequence(database.db, effect.rentalId);
  if (row === null) return;
  if (effect.type !== 'stop-lease') await noteSequence(row.sequence);
  const command = await signCommand(parts.ports, row, row.sequence, actionOf(effect.type, row));
  links.send(effect.machineKey, { type: 'lease-command', command });
}

/** Stops a lease that this market does not know, or has ended: whatever an agent holds for us without a rental is an error. */
export async function stopUnknownLease(
  parts: { ports: MarketPorts; links: AgentLinks },
  machine: { machineKey: string; machineId: string },
  lease: { leaseId: string; requestId: string; fence: number },
): Promise<void> {
  const { ports, links } = parts;
  const body = {
    ...lease,
    machineId: machine.machineId,
    sequence: LAST_SEQUENCE,
    action: { type: 'stop' as const },
    issuedAtMs: ports.clock.now(),
  };
  const command = await signDocument('lease-command', body, ports.key);
  links.send(machine.machineKey, { type: 'lease-command', command });
}

/** Takes a removed SSH key out of an account's pods, in the transaction of its removal. */
export async function dropSshKeyFromPods(parts: RentalParts, tx: Tx, accountId: string, keyId: string): Promise<void> {
  for (const rentalId of await listWithSshKey(tx, accountId, keyId)) {
    const row = await lockRental(tx, rentalId);
    if (row === null || row.rental.state === 'ended') continue;
    await saveRental(tx, { ...row, sshKeys: row.sshKeys.filter((key) => key.id !== keyId) });
    await parts.outbox.write(tx, { rentalId, machineKey: row.machineKey, type: 'set-ssh-keys', payload: null });
  }
}

/** Renews the terms of leases long before they end. */
export async function renewTerms(parts: RentalParts): Promise<void> {
  const nowMs = parts.ports.clock.now();
  await parts.database.transaction(async (tx) => {
    for (const due of await takeDueRenewals(tx, nowMs - RENEW_AFTER_MS, nowMs)) {
      await parts.outbox.write(tx, { ...due, type: 'renew', payload: null });
    }
  });
}

function actionOf(type: 'stop-lease' | 'set-ssh-keys' | 'renew', row: RentalRow): LeaseCommand['action'] {
  switch (type) {
    case 'stop-lease':
      return { type: 'stop' };
    case 'set-ssh-keys':
      return { type: 'set-ssh-keys', sshKeys: row.sshKeys.map((key) => key.publicKey) };
    case 'renew':
      return { type: 'renew', termMs: MIN_TERM_MS };
  }
}

async function signCommand(
  ports: MarketPorts,
  row: RentalRow,
  sequence: number,
  action: LeaseCommand['action'],
): Promise<Signed<'lease-command'>> {
  const body = {
    leaseId: row.leaseId ?? '',
    requestId: row.requestId,
    machineId: row.machineId,
    fence: row.fence ?? 0,
    sequence,
    action,
    issuedAtMs: ports.clock.now(),
  };
  return signDocument('lease-command', body, ports.key);
}
