/** What agents say about leases, turned into steps of rentals. Nothing is believed beyond what the machine key signed. */
import { CeliumError, type AgentFrame, type Grant, type LeaseStatus, type Signed } from '@celium/contract';
import { toHex, verifyDocument } from '@celium/chain';
import type { AgentSighting, MarketMoment, RentalCommand } from '@celium/domain';
import type { AgentEvents } from '../machines/gateway.ts';
import type { AgentSession } from '../machines/sessions.ts';
import { stopUnknownLease } from './commands.flow.ts';
import { HOST_KEY_WRONG, type RentalParts, type RentalRow } from './parts.ts';
import { takeStep, type RentalStep } from './rentals.flow.ts';
import { findByLease, findByRequest, listOpenLeases } from './rentals.store.ts';

const NOT_REACHED_YET = 'the machine says that the pod is ready; the market cannot reach it yet';

/** The market's ears. */
export function agentEvents(parts: RentalParts): AgentEvents {
  return {
    onConnected: async (session, leases, received) => {
      await parts.outbox.hurry(session.machineKey);
      await workInStatuses(parts, session, leases, received);
      await endForgotten(parts, session, leases);
    },
    onStatuses: (session, leases, received) => workInStatuses(parts, session, leases, received),
    onGrant: (session, grant) => workInGrant(parts, session, grant),
    onRefusal: (session, refusal) => workInRefusal(parts, session, refusal),
    onCommandResult: (session, result) => workInResult(parts, session, result),
  };
}

async function workInGrant(parts: RentalParts, session: AgentSession, received: unknown): Promise<void> {
  const { crashHere, log } = parts.ports;
  crashHere('market.grant.received');
  const verified = verifyDocument('grant', received, { signer: session.machineKey });
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  const grant = verified.body;
  const row = await findByRequest(parts.database.db, session.machineKey, grant.requestId);
  if (row === null) {
    log.warn(
      { leaseId: grant.leaseId, machineKey: session.machineKey },
      'a grant without a request: the lease is stopped',
    );
    return stopUnknownLease(parts, session, grant);
  }
  const fault = faultOfGrant(parts, row, grant);
  if (fault !== null) {
    log.warn({ rentalId: row.rentalId, fault }, 'a grant was refused');
    if (row.leaseId === grant.leaseId) return;
    await takeStep(parts, row.rentalId, {
      command: { type: 'refusal' },
      detail: `the machine answered with a grant that does not fit: ${fault}`,
    });
    return stopUnknownLease(parts, session, grant);
  }
  await takeStep(parts, row.rentalId, { grant: verified.signed as Signed<'grant'>, command: { type: 'grant' } });
}

/** Why a grant is no answer to the request of this rental, or null. */
function faultOfGrant(parts: RentalParts, row: RentalRow, grant: Grant): string | null {
  if (grant.requestHash !== row.requestHash) return 'it is for another request';
  if (grant.authority !== toHex(parts.ports.key.publicKey)) return 'it is for another authority';
  if (grant.machineId !== row.machineId) return 'it is for another machine';
  if (grant.kind !== 'paid') return `it is of kind ${grant.kind}`;
  const units = new Set(grant.units);
  if (units.size !== row.units.length || row.units.some((unit) => !units.has(unit))) return 'it is for other units';
  if (!grant.ports.some((port) => port.pod === 22)) return 'it publishes no port 22';
  if (row.grant === null) return null;
  if (row.leaseId !== grant.leaseId) return 'another lease was granted before';
  const { fence, hostKey } = row.grant.body;
  if (grant.fence !== fence || grant.hostKey !== hostKey) return 'it changes the fence or the host key of its lease';
  return null;
}

async function workInRefusal(parts: RentalParts, session: AgentSession, received: unknown): Promise<void> {
  const verified = verifyDocument('lease-refusal', received, { signer: session.machineKey });
  if (!verified.ok) throw new CeliumError(verified.code, verified.message);
  const { requestId, code, message } = verified.body;
  const row = await findByRequest(parts.database.db, session.machineKey, requestId);
  if (row === null) return;
  await takeStep(parts, row.rentalId, {
    command: { type: 'refusal' },
    detail: `the machine refused (${code}): ${message}`,
  });
}

async function workInStatuses(
  parts: RentalParts,
  session: AgentSession,
  leases: readonly LeaseStatus[],
  received: MarketMoment,
): Promise<void> {
  for (const lease of leases) {
    try {
      await workInStatus(parts, session, lease, received);
    } catch (fault) {
      // One lease that cannot be worked in must not silence the others; its status comes again.
      parts.ports.log.error({ err: fault, leaseId: lease.leaseId }, 'a lease status could not be worked in');
    }
  }
}

async function workInStatus(
  parts: RentalParts,
  session: AgentSession,
  lease: LeaseStatus,
  received: MarketMoment,
): Promise<void> {
  const { database, links } = parts;
  const row = await findByLease(database.db, session.machineKey, lease);
  const noteGone = (): void => void links.send(session.machineKey, { type: 'gone-noted', leaseId: lease.leaseId });
  if (row === null || (row.leaseId !== null && row.leaseId !== lease.leaseId)) {
    return lease.state === 'gone' ? noteGone() : stopUnknownLease(parts, session, lease);
  }
  if (row.rental.state === 'ended' && row.rental.unitsReleased && lease.state !== 'gone') {
    return stopUnknownLease(parts, session, lease);
  }
  // The grant itself has not come yet; its request is sent again, and the agent answers with the same grant.
  if (row.leaseId === null && lease.state !== 'gone') return;
  if (row.rental.state === 'starting' && (lease.state === 'starting' || lease.state === 'ready'))
    parts.probing.hurry(row.rentalId);
  await takeStep(parts, row.rentalId, stepOfStatus(row, lease, session, received));
  if (lease.state === 'gone') noteGone();
}

function stepOfStatus(row: RentalRow, lease: LeaseStatus, session: AgentSession, received: MarketMoment): RentalStep {
  const step: RentalStep = { command: commandOfStatus(row, lease), detail: (now) => detailOfStatus(now, lease) };
  const sighting = sightingOf(lease, session, received);
  if (sighting !== null) step.sighting = sighting;
  return step;
}

function commandOfStatus(row: RentalRow, lease: LeaseStatus): RentalCommand {
  if (lease.state === 'gone') {
    const reason = lease.goneReason ?? 'pod-died';
    return { type: 'pod-gone', reason: reason === 'term-over' ? 'provider-ended' : reason };
  }
  if (lease.state === 'ready' && row.rental.state === 'starting') return { type: 'agent-ready' };
  return { type: 'agent-seen' };
}

/** From the moment when the pod is ready its cumulative time counts; its last word, when it is gone, too. */
function sightingOf(lease: LeaseStatus, session: AgentSession, received: MarketMoment): AgentSighting | null {
  const counts = lease.state === 'ready' || lease.state === 'stopping' || lease.state === 'gone';
  if (!counts || lease.podInstance === null) return null;
  return { podInstance: lease.podInstance, bootId: session.bootId, cumulativeMs: lease.cumulativeMs, received };
}

function detailOfStatus(row: RentalRow, lease: LeaseStatus): string | null {
  if (lease.state === 'gone') return row.rental.endReason === null ? lease.detail : null;
  if (row.rental.state !== 'starting') return null;
  switch (lease.state) {
    case 'pulling':
      return lease.detail ?? 'the machine gets the image';
    case 'starting':
      return lease.detail ?? 'the pod starts';
    case 'ready':
      // What a probe has found wrong is more than that nothing came through.
      return row.rental.probeReady || row.detail === HOST_KEY_WRONG ? null : NOT_REACHED_YET;
    case 'granted':
    case 'stopping':
      return null;
  }
}

/** Leases that we hold open and the agent no longer has: it lost them, with whatever ran in them. */
async function endForgotten(parts: RentalParts, session: AgentSession, leases: readonly LeaseStatus[]): Promise<void> {
  const known = new Set(leases.map((lease) => lease.leaseId));
  for (const { rentalId, leaseId } of await listOpenLeases(parts.database.db, session.machineKey)) {
    if (known.has(leaseId)) continue;
    await takeStep(parts, rentalId, {
      command: { type: 'pod-gone', reason: 'pod-died' },
      detail: 'the machine came back without this lease',
    });
  }
}

async function workInResult(
  parts: RentalParts,
  session: AgentSession,
  result: Extract<AgentFrame, { type: 'command-result' }>,
): Promise<void> {
  const { leaseId } = result;
  const row = await findByLease(parts.database.db, session.machineKey, { leaseId, requestId: leaseId });
  if (row === null) return;
  const { rentalId } = row;
  if (result.ok) return parts.outbox.finishCommand(rentalId, result.sequence);
  parts.ports.log.warn({ rentalId, code: result.code, message: result.message }, 'an agent refused a command');
  if (result.code !== 'LEASE_UNKNOWN' && result.code !== 'FENCE_OLD') return;
  await takeStep(parts, rentalId, {
    command: { type: 'pod-gone', reason: 'stopped' },
    detail: 'the machine no longer knows this lease',
  });
}
