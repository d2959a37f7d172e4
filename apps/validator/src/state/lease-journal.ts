/** Every lease that was asked for, written down before it is asked for: what is not closed here may still hold a unit and has to be stopped. */

import type { DatabaseSync } from 'node:sqlite';
import { guardSqlite } from '@celium/chain';
import type { Signed } from '@celium/contract';
import type { AgentAddress } from '../ports.ts';

/** A lease that is not known to be over. */
export interface OpenLease {
  requestId: string;
  agent: AgentAddress;
  /** As it was sent: sending it again brings the same grant. */
  request: Signed<'lease-request'>;
  grant: Signed<'grant'> | null;
  /** The highest sequence number used so far. */
  sequence: number;
  attempts: number;
  nextStopAtMs: number;
  requestedAtMs: number;
}

interface Row {
  request_id: string;
  agent: string;
  request: string;
  grant: string | null;
  sequence: number;
  attempts: number;
  next_stop_at_ms: number;
  requested_at_ms: number;
}

/** The journal of leases. */
export class LeaseJournal {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** To be called before the request is sent. Throws `DISK_FULL`: then nothing may be asked for. */
  noteRequest(agent: AgentAddress, request: Signed<'lease-request'>, nowMs: number): void {
    const { machineId, machineKey, agentUrl, tlsKeyHash } = agent;
    const { requestId, sequence } = request.body;
    guardSqlite('the validator’s state', () =>
      this.#database
        .prepare(
          `INSERT INTO leases (request_id, agent, request, state, sequence, requested_at_ms) VALUES (?, ?, ?, 'requested', ?, ?)`,
        )
        .run(
          requestId,
          JSON.stringify({ machineId, machineKey, agentUrl, tlsKeyHash }),
          JSON.stringify(request),
          sequence,
          nowMs,
        ),
    );
  }

  noteGrant(requestId: string, grant: Signed<'grant'>): void {
    this.#database
      .prepare(`UPDATE leases SET grant = ?, state = 'granted' WHERE request_id = ? AND state <> 'closed'`)
      .run(JSON.stringify(grant), requestId);
  }

  /** Takes the next sequence number for a command and remembers it before the command is sent. */
  takeSequence(requestId: string): number {
    const row = this.#database
      .prepare('UPDATE leases SET sequence = sequence + 1 WHERE request_id = ? RETURNING sequence')
      .get(requestId) as { sequence: number } | undefined;
    if (row === undefined) throw new RangeError(`no lease was requested under ${requestId}`);
    return row.sequence;
  }

  /** A stop did not get through; it is tried again at `nextStopAtMs` (unix). */
  noteStopAttempt(requestId: string, nextStopAtMs: number): void {
    this.#database
      .prepare('UPDATE leases SET attempts = attempts + 1, next_stop_at_ms = ? WHERE request_id = ?')
      .run(nextStopAtMs, requestId);
  }

  /** The lease is over; `note` says how that is known. */
  close(requestId: string, note: string): void {
    this.#database
      .prepare(`UPDATE leases SET state = 'closed', end_note = ? WHERE request_id = ?`)
      .run(note.slice(0, 300), requestId);
  }

  /** Everything not known to be over, oldest first. */
  open(): OpenLease[] {
    const rows = this.#database
      .prepare(`SELECT * FROM leases WHERE state <> 'closed' ORDER BY requested_at_ms, request_id LIMIT 10000`)
      .all() as unknown as Row[];
    return rows.map(leaseOf);
  }

  /** One lease that is not known to be over, or null. */
  findOpen(requestId: string): OpenLease | null {
    const row = this.#database
      .prepare(`SELECT * FROM leases WHERE request_id = ? AND state <> 'closed'`)
      .get(requestId) as unknown as Row | undefined;
    return row === undefined ? null : leaseOf(row);
  }

  /** Forgets leases that were closed and requested before `beforeMs`. */
  forgetClosed(beforeMs: number): void {
    this.#database.prepare(`DELETE FROM leases WHERE state = 'closed' AND requested_at_ms < ?`).run(beforeMs);
  }
}

function leaseOf(row: Row): OpenLease {
  return {
    requestId: row.request_id,
    agent: JSON.parse(row.agent) as AgentAddress,
    request: JSON.parse(row.request) as Signed<'lease-request'>,
    grant: row.grant === null ? null : (JSON.parse(row.grant) as Signed<'grant'>),
    sequence: row.sequence,
    attempts: row.attempts,
    nextStopAtMs: row.next_stop_at_ms,
    requestedAtMs: row.requested_at_ms,
  };
}
